"""What Faust and aiokafka call errors although they meet them themselves: turned down, so that an ERROR is one.

Of an outage they say hundreds of lines, of each rebalance some. Each here has its reason; what is not here is shown.
"""

import logging

# What the logger's name begins with, and words.
_HARMLESS = (
    # The broker is away: they try again, and we say once a second that we wait for it.
    ("aiokafka", "Unable connect to"),
    ("aiokafka", "Unable to request metadata from"),
    ("aiokafka", "Unable to update metadata from"),
    ("aiokafka.consumer.fetcher", "Failed fetch messages from"),
    ("aiokafka.consumer.fetcher", "Failed fetch offsets from"),
    # Its coordinator is away, or another broker has become it: the member looks for it and joins again.
    ("aiokafka.consumer.group_coordinator", "Group Coordinator Request failed"),
    ("aiokafka.consumer.group_coordinator", "Marking the coordinator dead"),
    ("aiokafka.consumer.group_coordinator", "Error sending"),
    ("aiokafka.consumer.group_coordinator", "Heartbeat"),
    ("aiokafka.consumer.group_coordinator", "LeaveGroup request failed"),
    # Offsets on Kafka are for tools that show lag. Where to go on is in Postgres.
    ("aiokafka.consumer.group_coordinator", "OffsetCommit failed before join"),
    ("aiokafka.consumer.group_coordinator", "OffsetCommit failed for group"),
    ("aiokafka.consumer.group_coordinator", "Failed to commit on finallization"),
    ("mode.timers", "Timer commit is overlapping"),
    # A long batch has the interpreter's lock, or the broker stands still. The watchdog ends a worker that stalls.
    # Faust names the loggers of its classes after our module.
    ("projectors", "Thread keepalive is not responding"),
    ("projectors", "No active partitions for"),
    ("projectors", "Aiokafka has not sent fetch request for"),
    ("projectors", "Aiokafka stopped fetching from"),
    ("projectors", "Highwater not yet available for"),
    ("projectors", "Stream has not started processing"),
    ("projectors", "Stream stopped processing"),
    ("projectors", "Has not committed"),
)


def turn_down() -> None:
    """For this process, once its logs are set up."""
    # kafka-python raises to us whatever it logs.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_matters)


def _matters(record: logging.LogRecord) -> bool:
    if record.levelno >= logging.CRITICAL or record.exc_info:
        return True
    said = record.getMessage()
    return not any(record.name.startswith(logger) and words in said for logger, words in _HARMLESS)
