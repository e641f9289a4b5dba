"""What the fold derives for consumers, on `ledger.topups`: triggers, skips, suspensions, balance levels, quarantine.

Effects are facts like any other, in the same envelope, signed. Their ids follow from the event that caused them, so
that a second fold of the same log gives the same effects.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.envelope import Envelope
from schemas.fields import Code, Frozen, Moment, PaymentProvider, Token, Uuid, described
from schemas.money import Credits, SignedCredits

Window = Literal["day", "month"]


class Trigger(Frozen):
    """What to buy, once, and why."""

    trigger_id: Annotated[
        Uuid, described("The purchase to make; also this event's id and part of the idempotency key at the provider.")
    ]
    credits: Annotated[Credits, described("What to buy.")]
    balance: Annotated[SignedCredits, described("The amount that was compared with the threshold.")]
    threshold: Annotated[Credits, described("The threshold of the policy at that moment.")]
    caused_by: Annotated[Uuid, described("The event that crossed the threshold.")]
    provider: Annotated[PaymentProvider | None, described("The policy's.")] = None
    payment_method_id: Annotated[Token | None, described("The policy's.")] = None


class AutoTopUpTriggered(Envelope):
    """The balance crossed the threshold: charge the customer, once."""

    type: Literal["auto_top_up.triggered"] = "auto_top_up.triggered"
    data: Trigger


class Skip(Frozen):
    """The cap, and what would have exceeded it."""

    reason: Annotated[Literal["cap"], described("The reason why nothing was bought.")] = "cap"
    window: Annotated[Window, described("The cap's window.")]
    cap: Annotated[Credits, described("The cap.")]
    spent: Annotated[Credits, described("What auto top-up bought in the window so far.")]
    credits: Annotated[Credits, described("What would have been bought.")]
    opens_at: Annotated[Moment, described("When the next window opens and a recheck is due.")]


class AutoTopUpSkipped(Envelope):
    """A top-up was due but would have exceeded a cap."""

    type: Literal["auto_top_up.skipped"] = "auto_top_up.skipped"
    data: Skip


class Suspension(Frozen):
    trigger_id: Annotated[Uuid, described("The trigger that could not be paid.")]
    reason_code: Annotated[Code, described("The reason, as the charger classified it.")]


class AutoTopUpSuspended(Envelope):
    """Auto top-up is suspended: nothing is charged until it is resumed."""

    type: Literal["auto_top_up.suspended"] = "auto_top_up.suspended"
    data: Suspension


class LevelChange(Frozen):
    """The level before, the level now, and the balance."""

    previous: Annotated[Token, described("The level before; `ok` is above all levels of the book.")]
    level: Annotated[Token, described("The level now.")]
    balance: Annotated[SignedCredits, described("The balance now.")]


class BalanceLevelChanged(Envelope):
    """The balance fell to a level of the book, or rose above it."""

    type: Literal["balance.level_changed"] = "balance.level_changed"
    data: LevelChange


class Quarantine(Frozen):
    """What would have been charged, and for what."""

    event_id: Annotated[Uuid, described("The usage that was kept aside.")]
    signed: Annotated[bool, described("Whether it was signed.")]
    request_id: Annotated[Token, described("The router's own id of the request.")]
    provider: Annotated[Token, described("As in the usage.")]
    model: Annotated[Token, described("As in the usage.")]
    charge: Annotated[Credits, described("What it would have been charged.")]
    bound: Annotated[Credits, described("The book's `usage_credits_max`.")]


class UsageQuarantined(Envelope):
    """Usage that would have cost more than the book finds plausible was kept aside, until an operator decides."""

    type: Literal["usage.quarantined"] = "usage.quarantined"
    data: Quarantine


Effect = UsageQuarantined | AutoTopUpTriggered | AutoTopUpSkipped | AutoTopUpSuspended | BalanceLevelChanged
EFFECT: TypeAdapter[Effect] = TypeAdapter(Annotated[Effect, Field(discriminator="type")])
