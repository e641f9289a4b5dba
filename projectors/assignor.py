"""Faust's assignor with the number of partitions that the ledger was built on, not one from the broker.

A broker that has just started may not know the topic yet. Faust would then assign no partition; and because workers are
static members, no rebalance would follow and all workers would stay idle. Written for faust-streaming 0.15.3.
"""

from collections.abc import Iterable, MutableMapping
from typing import Any

from faust.assignor.partition_assignor import PartitionAssignor


class _Counted:
    """The part of the cluster's metadata that the assignor reads."""

    def __init__(self, partitions: int) -> None:
        self._numbers = set(range(partitions))

    def partitions_for_topic(self, _: str) -> set[int]:
        return self._numbers


def assignor_of(partitions: int) -> type[PartitionAssignor]:
    """An assignor for a group that reads one topic of `partitions` partitions."""

    class Assignor(PartitionAssignor):
        @classmethod
        def _get_copartitioned_groups(
            cls, topics: set[str], _: Any, subscriptions: MutableMapping[str, list[str]]
        ) -> MutableMapping[int, Iterable[set[str]]]:
            return super()._get_copartitioned_groups(topics, _Counted(partitions), subscriptions)

    return Assignor
