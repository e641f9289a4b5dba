"""What the fold derives for consumers, on `ledger.topups`: triggers, skips, suspensions, balance levels.

Effects are facts like any other, in the same envelope, signed. Their ids follow from the event that caused them, so
that a second fold of the same log says the same.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.envelope import Envelope
from schemas.fields import Code, Frozen, Moment, PaymentProvider, Token, Uuid
from schemas.money import Credits, SignedCredits

Window = Literal["day", "month"]


class Trigger(Frozen):
    """Buy `credits` once. `trigger_id` is also the id of this event and part of the provider's idempotency key."""

    trigger_id: Uuid
    credits: Credits
    balance: SignedCredits
    threshold: Credits
    caused_by: Uuid
    provider: PaymentProvider | None = None
    payment_method_id: Token | None = None


class AutoTopUpTriggered(Envelope):
    """The balance crossed the threshold: charge the customer, once."""

    type: Literal["auto_top_up.triggered"] = "auto_top_up.triggered"
    data: Trigger


class Skip(Frozen):
    """`opens_at`: when the cap's UTC window opens again, and a recheck is due."""

    reason: Literal["cap"] = "cap"
    window: Window
    cap: Credits
    spent: Credits
    credits: Credits
    opens_at: Moment


class AutoTopUpSkipped(Envelope):
    """A top-up was due but would have exceeded a cap."""

    type: Literal["auto_top_up.skipped"] = "auto_top_up.skipped"
    data: Skip


class Suspension(Frozen):
    trigger_id: Uuid
    reason_code: Code


class AutoTopUpSuspended(Envelope):
    """Nothing will be charged until somebody resumes it."""

    type: Literal["auto_top_up.suspended"] = "auto_top_up.suspended"
    data: Suspension


class LevelChange(Frozen):
    """`previous` and `level` are names of the book's levels; "ok" is above all of them."""

    previous: Token
    level: Token
    balance: SignedCredits


class BalanceLevelChanged(Envelope):
    """The balance sank to a level of the book, or recovered from it."""

    type: Literal["balance.level_changed"] = "balance.level_changed"
    data: LevelChange


Effect = AutoTopUpTriggered | AutoTopUpSkipped | AutoTopUpSuspended | BalanceLevelChanged
EFFECT: TypeAdapter[Effect] = TypeAdapter(Annotated[Effect, Field(discriminator="type")])
