"""The Kafka groups of this ledger's consumers: their members and their offsets."""

from collections.abc import Collection

from kafka import KafkaAdminClient
from kafka.admin import OffsetSpec

from ledger.log.connecting import administrating
from ledger.settings import Settings


def members(settings: Settings) -> list[str]:
    """The members of all consumers' groups."""
    with administrating(settings) as admin:
        groups = _groups(settings, admin)
        described = admin.describe_groups(groups) if groups else {}
    return [f"{name} at {each['client_host']}" for name, group in described.items() for each in group["members"]]


def reset_offsets(settings: Settings, topics: Collection[str]) -> None:
    """Makes every consumer read these topics (full names) from their beginning. Each knows what it did before."""
    with administrating(settings) as admin:
        for group in _groups(settings, admin):
            committed = admin.list_group_offsets(group)[group]
            places = {place: OffsetSpec.EARLIEST for place in committed if place.topic in topics}
            if places:
                admin.reset_group_offsets(group, places)


def _groups(settings: Settings, admin: KafkaAdminClient) -> list[str]:
    """Not those of the workers and of copies, which read without committing anything that counts."""
    found = [each["group_id"] for each in admin.list_groups() if each["group_id"].startswith(settings.group(""))]
    return [group for group in found if not group.startswith(settings.group("projector"))]
