"""Notices as e-mails over SMTP: text and HTML from templates, receipts with their PDF.

The Message-ID follows from the notice, so a message that is sent again after a crash is recognized as the same.
"""

import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any

from babel.numbers import format_currency
from jinja2 import Environment, PackageLoader, StrictUndefined

from ledger.core.pricing import minor_digits
from ledger.records.notices import DueDelivery
from ledger.settings import Settings

_SECONDS = 20.0
_OPTIONS: Mapping[str, Any] = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
_TEXT = Environment(loader=PackageLoader("ledger.notices"), autoescape=False, **_OPTIONS)
_HTML = Environment(loader=PackageLoader("ledger.notices"), autoescape=True, **_OPTIONS)


def message(settings: Settings, delivery: DueDelivery, pdf: bytes | None) -> EmailMessage:
    """The e-mail of a notice. `pdf`: its document."""
    assert delivery.email is not None, "an e-mail has an address"
    values = {"type": delivery.type, "data": delivery.data, "money": _money}
    values["supplier"] = settings.supplier.name or parseaddr(settings.mail_from)[0] or parseaddr(settings.mail_from)[1]
    subject, _, text = _TEXT.get_template("notice.txt").render(values).strip().partition("\n")
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = settings.mail_from, delivery.email, subject.strip()
    made["Date"] = format_datetime(delivery.occurred_at)
    made["Message-ID"] = f"<{delivery.notice_id}@{parseaddr(settings.mail_from)[1].rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(text.strip() + "\n")
    paragraphs = [part for part in text.strip().split("\n\n") if part]
    html = _HTML.get_template("notice.html").render(subject=subject.strip(), paragraphs=paragraphs)
    made.add_alternative(html, subtype="html")
    if pdf is not None:
        made.add_attachment(pdf, maintype="application", subtype="pdf", filename=f"{delivery.data['number']}.pdf")
    return made


@contextmanager
def mailbox(settings: Settings) -> Iterator[smtplib.SMTP]:
    """A session with the mail server. Raises OSError or smtplib.SMTPException."""
    tls = ssl.create_default_context()
    if settings.smtp_security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=_SECONDS, context=tls)
    else:
        server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=_SECONDS)
    with server:
        if settings.smtp_security == "starttls":
            server.starttls(context=tls)
        if settings.smtp_username:
            server.login(settings.smtp_username, settings.smtp_password.get_secret_value())
        yield server


def _money(charged: Mapping[str, Any]) -> str:
    digits = minor_digits(charged["currency"])
    amount = Decimal(charged["amount_minor"]).scaleb(-digits)
    return format_currency(amount, charged["currency"], locale="en")
