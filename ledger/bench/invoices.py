"""`ledger bench invoices`: how long an invoice takes to render as PDF, for customers with names in many scripts."""

import statistics
import time
from datetime import date
from typing import NamedTuple

from rich.console import Console
from rich.progress import track

from ledger.payments import invoice_content
from ledger.payments.documents.invoice_pdf import invoice_pdf
from ledger.payments.gateway import Address, Buyer
from ledger.settings import Settings
from schemas.supplier import Supplier

_DAY = date(2026, 11, 22)
_NAMES = ("Ada Lovelace", "Åsa Öström", "株式会社東京データ", "شركة الخليج للتقنية", "रमेश कुमार")


class Result(NamedTuple):
    """Milliseconds per PDF. `first`: the first one, which loads the fonts and is not part of the other figures."""

    first: float
    median: float
    p95: float
    bytes_each: int

    def json_fields(self) -> dict[str, object]:
        """The fields of the line of `--json`."""
        return self._asdict()


def run(count: int, console: Console) -> Result:
    """Renders `count` invoices, after a first one."""
    settings = Settings(supplier=Supplier(name="Example Router Ltd", address=["1 Sample Street"], country="IE"))
    first, _ = _set(settings, 0)
    done = [_set(settings, number) for number in track(range(1, count + 1), "PDFs", console=console, transient=True)]
    milliseconds = sorted(taken for taken, _ in done)
    size = round(statistics.mean(length for _, length in done))
    p95 = milliseconds[min(len(milliseconds) * 95 // 100, len(milliseconds) - 1)]
    return Result(round(first, 1), round(statistics.median(milliseconds), 1), round(p95, 1), size)


def _set(settings: Settings, number: int) -> tuple[float, int]:
    """Renders one invoice; returns milliseconds and bytes. Each is different, so that no cache helps."""
    address = Address(f"Straße {number}", "", "Bonn", "", "53111", "DE")
    who = Buyer(f"acct_{number}", f"{_NAMES[number % len(_NAMES)]} {number}", None, address)
    data = {
        "purchase_id": f"pur_{number}",
        "kind": "purchase",
        "credits": str(number + 5),
        "provider": "stripe",
        "provider_payment_id": f"pi_{number}",
        "charged": {"currency": "USD", "amount_minor": 100 * (number + 5)},
        "fx_rate": "1",
    }
    content = invoice_content.invoice(settings, f"INV-2026-{number:07}", _DAY, _DAY, who, data)
    began = time.perf_counter()
    pdf = invoice_pdf(settings, content)
    return (time.perf_counter() - began) * 1000, len(pdf)
