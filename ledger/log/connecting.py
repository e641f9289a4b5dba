"""How every Kafka client of the ledger connects: its brokers, its user, and its certificates.

A caller that needs a broker waits for it while it does not answer. A broker that refuses our credentials would refuse
them again: that is an error, which names the settings to change and never a password.
"""

import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import AuthorizationError, KafkaConnectionError

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.log import kafka_python_fixes
from ledger.log.first_contact import REFUSALS, RepairedClient, tls_problem
from ledger.settings import Settings

# A client without an answer by then is replaced: kafka-python itself would wait without an end.
ANSWER_MS = 10_000
# How long we wait for one of several brokers when it hangs, before we ask another.
REQUEST_MS = 8_000


class LogUnavailable(LedgerError):
    message = "Kafka did not acknowledge the record; it may or may not be on the log. Send it again with the same id"


class LogRefused(LogUnavailable):
    message = "Nothing is written to this log until it is right again. Send it again then, with the same id"


class KafkaRefusesUser(LogUnavailable, exit_code=EXIT_CONFIG):
    message = "Kafka refuses these credentials; check LEDGER_KAFKA_USERNAME, _PASSWORD and _SASL_MECHANISM"


class KafkaForbids(LogUnavailable, exit_code=EXIT_CONFIG):
    message = "This Kafka user lacks an ACL for what it has to do; see docs/how-to/secure-kafka.md"


class FoldOnly(LedgerError, exit_code=EXIT_CONFIG):
    message = "LEDGER_FOLD_ONLY is set: this is a copy, which folds the log of another ledger and writes nothing"


class KafkaTlsFailed(LogUnavailable, exit_code=EXIT_CONFIG):
    message = "Kafka and we can't agree on TLS; check LEDGER_KAFKA_SECURITY_PROTOCOL, _CA_FILE and _CERTIFICATE_FILE"


class CertificateUnusable(LedgerError, exit_code=EXIT_CONFIG):
    message = "A certificate or key for Kafka can't be used"


# How ledger.events is read: what an aborted transaction wrote is on the log, and never happened. The other topics are
# read as they are: only what is signed counts there, and a stranger's open transaction must not hold a charge back.
COMMITTED = {"isolation_level": "read_committed"}


def kafka_options(settings: Settings) -> dict[str, Any]:
    """What every client of kafka-python is made with. Raises CertificateUnusable or CodecMissing."""
    kafka_python_fixes.install()
    return {"kafka_client": RepairedClient, **connection_options(settings)}


def connection_options(settings: Settings) -> dict[str, Any]:
    """Brokers, user and certificates, as kafka-python and aiokafka take them. Raises CertificateUnusable."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka.split(","),
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": tls_of(settings),
    }
    if uses_sasl(settings):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return options


def uses_sasl(settings: Settings) -> bool:
    """Whether a client names a user and proves it."""
    return settings.kafka_security_protocol.startswith("SASL_")


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """TLS that checks the broker's certificate and name; None without TLS. Raises CertificateUnusable."""
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca_file or None)
    except OSError as error:
        raise CertificateUnusable(f"{settings.kafka_ca_file}, {error}", field="LEDGER_KAFKA_CA_FILE") from None
    if settings.kafka_certificate_file:
        try:
            context.load_cert_chain(settings.kafka_certificate_file, settings.kafka_key_file)
        except OSError as error:
            names = f"{settings.kafka_certificate_file} and {settings.kafka_key_file}"
            raise CertificateUnusable(f"{names}, {error}", field="LEDGER_KAFKA_CERTIFICATE_FILE") from None
    return context


def check_may_write(settings: Settings) -> None:
    """Raises FoldOnly in a copy. Everything that changes something outside of the database calls this first."""
    if settings.fold_only:
        raise FoldOnly()


@contextmanager
def administrating(settings: Settings) -> Iterator[KafkaAdminClient]:
    """An administrator's client. Kafka's refusals become errors that say what to change."""
    with refusals_in_words(), closing(KafkaAdminClient(**kafka_options(settings), client_id="ledger-admin")) as admin:
        yield admin


@contextmanager
def refusals_in_words() -> Iterator[None]:
    """Turns Kafka's refusals into errors that say which settings or ACLs to change. Other errors pass."""
    try:
        yield
    except REFUSALS as error:
        raise KafkaRefusesUser(type(error).__name__) from None
    except AuthorizationError as error:
        raise KafkaForbids(type(error).__name__) from None
    except KafkaConnectionError as error:
        if problem := tls_problem(error):
            raise KafkaTlsFailed(problem.reason or str(problem)) from None
        raise
