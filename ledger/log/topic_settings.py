"""The settings that a topic must have so that nothing acknowledged is lost, changed or refused, and how to set them.

All other settings are the operator's: compression, segments, flushing, tiers.
"""

from collections.abc import Mapping

from ledger.core.errors import EXIT_CONFIG, LedgerError
from schemas.fields import RECORD_BYTES_MAX
from schemas.topics import BOOK

BOOK_BYTES_MAX = 1_000_000  # the whole list of genai-prices, 2,330 models, has some 600,000
_AROUND_BYTES = 4_096  # key, headers and the batch around a record
_BYTES = 1_048_588  # what brokers take by default

_EXACT = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "message.timestamp.type": "LogAppendTime",
    "unclean.leader.election.enable": "false",
}


class TopicMisconfigured(LedgerError, exit_code=EXIT_CONFIG):
    message = "A topic's settings would lose or change records. Set them right; writes open by themselves"


def created_with(replicas: int) -> dict[str, str]:
    """The settings of a new topic."""
    return {**_EXACT, "min.insync.replicas": str(_copies(replicas)), "max.message.bytes": str(_BYTES)}


def misconfigured(name: str, topic: str, settings: Mapping[str, str], replicas: int) -> TopicMisconfigured | None:
    """All that is wrong with a topic, and the command that corrects it. `name`: in full; `topic`: of schemas.topics."""
    at_least = {"min.insync.replicas": _copies(replicas), "max.message.bytes": _bytes_of(topic)}
    wrong = {key: (settings[key], "", wanted) for key, wanted in _EXACT.items() if settings[key] != wanted}
    wrong |= {
        key: (settings[key], "at least ", str(least)) for key, least in at_least.items() if int(settings[key]) < least
    }
    if not wrong:
        return None
    wrong_settings = "; ".join(
        f"{key} is {is_}, must be {limit}{wanted}" for key, (is_, limit, wanted) in wrong.items()
    )
    changes = ",".join(f"{key}={wanted}" for key, (_, _, wanted) in wrong.items())
    command = f"kafka-configs.sh --bootstrap-server $KAFKA --alter --topic {name} --add-config {changes}"
    return TopicMisconfigured(f"{name}: {wrong_settings} (`{command}`)")


def _copies(replicas: int) -> int:
    """How many replicas must have a record before it is acknowledged: two, wherever there are two."""
    return min(2, replicas)


def _bytes_of(topic: str) -> int:
    return (BOOK_BYTES_MAX if topic == BOOK else RECORD_BYTES_MAX) + _AROUND_BYTES
