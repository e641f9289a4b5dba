"""Use cases as commands call them: with values that are checked, and with resources of this process."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ledger.service.resources import Resources
    from ledger.settings import Settings
    from schemas.fields import Frozen

    Body = TypeVar("Body", bound=Frozen)
Answer = TypeVar("Answer")


def checked(kind: "type[Body]", fields: Mapping[str, Any]) -> "Body":
    """The values of a request. Raises Invalid, which names the field."""
    from pydantic import ValidationError

    from ledger.core.errors import Invalid
    from schemas.fields import faults_of

    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        wrong = faults_of(error)
        raise Invalid(wrong.reason, field=wrong.field) from None


async def with_resources(settings: "Settings", ask: "Callable[[Resources], Awaitable[Answer]]") -> Answer:
    """What a use case answers. Raises OtherRelease and what the use case raises."""
    from ledger.postgres.connections import connect
    from ledger.postgres.kinds import COMMAND
    from ledger.service.resources import open_resources

    connect(settings.database, COMMAND).close()  # raises OtherRelease, before the health watch ends connections for it
    async with open_resources(settings) as resources:
        return await ask(resources)
