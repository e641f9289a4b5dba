"""Hides errors that Faust and aiokafka log although they handle them, so that an ERROR in the log is a real one.

They log hundreds of such lines in an outage, and some in each rebalance. Each pattern here has its reason; a line that
matches none is shown.
"""

import logging

# (beginning of the logger's name, words in the message)
_HARMLESS = (
    # The broker is away: they retry, and the worker logs once a second that it waits.
    ("aiokafka", "Unable connect to"),
    ("aiokafka", "Unable to request metadata from"),
    ("aiokafka", "Unable to update metadata from"),
    ("aiokafka.consumer.fetcher", "Failed fetch messages from"),
    ("aiokafka.consumer.fetcher", "Failed fetch offsets from"),
    # The group's coordinator is away or has moved to another broker: the member finds it and joins again.
    ("aiokafka.consumer.group_coordinator", "Group Coordinator Request failed"),
    ("aiokafka.consumer.group_coordinator", "Marking the coordinator dead"),
    ("aiokafka.consumer.group_coordinator", "Error sending"),
    ("aiokafka.consumer.group_coordinator", "Heartbeat"),
    ("aiokafka.consumer.group_coordinator", "LeaveGroup request failed"),
    # Offsets on Kafka are only for tools that show lag. The offsets that count are in Postgres.
    ("aiokafka.consumer.group_coordinator", "OffsetCommit failed before join"),
    ("aiokafka.consumer.group_coordinator", "OffsetCommit failed for group"),
    ("aiokafka.consumer.group_coordinator", "Failed to commit on finallization"),
    ("mode.timers", "Timer commit is overlapping"),
    # A long batch holds the interpreter's lock, or the broker does not answer. The watchdog ends a worker that stalls.
    # Faust names the loggers of its classes after this package.
    ("projectors", "Thread keepalive is not responding"),
    ("projectors", "No active partitions for"),
    ("projectors", "Aiokafka has not sent fetch request for"),
    ("projectors", "Aiokafka stopped fetching from"),
    ("projectors", "Highwater not yet available for"),
    ("projectors", "Stream has not started processing"),
    ("projectors", "Stream stopped processing"),
    ("projectors", "Has not committed"),
)


def filter_noise() -> None:
    """Filters the logs of this process. Call it after they are configured."""
    # kafka-python also raises the errors that it logs.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_matters)


def _matters(record: logging.LogRecord) -> bool:
    if record.levelno >= logging.CRITICAL or record.exc_info:
        return True
    message = record.getMessage()
    return not any(record.name.startswith(logger) and words in message for logger, words in _HARMLESS)
