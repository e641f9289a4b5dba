"""A router that writes to the log itself: no event goes to a partition that the ledger was not built on."""

from ledger.client.events import Outgoing
from ledger.client.kafka import KafkaTransport
from ledger.client.spool import SpooledEvent
from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from schemas.topics import EVENTS
from tests.support import topics
from tests.support.ledgers import new_ledger
from tests.support.workers import records_of


def test_events_wait_while_the_topic_has_another_number_of_partitions(stack: Stack) -> None:
    settings = new_ledger(stack)
    bootstrap(settings)
    portion = [SpooledEvent(number, Outgoing(f"acct_{number}", str(number), 0, b"{}")) for number in range(20)]
    transport = KafkaTransport(settings.kafka, settings.topic_prefix, {})
    try:
        assert len(transport.send(portion).delivered) == len(portion)
        topics.grow(settings, EVENTS, 8)
        transport.close()  # as after any failure: the next producer sees eight
        outcome = transport.send(portion)
    finally:
        transport.close()
    assert outcome.delivered == ()
    assert f"{settings.topic(EVENTS)} has 8 partitions and had 4 when this process started" in outcome.trouble
    assert {record.partition for record in records_of(settings, EVENTS, 8)} == {0, 1, 2, 3}
