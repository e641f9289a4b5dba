"""What `ledger recover` shows: what is missing in each partition, and what was done."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ledger.core.errors import LedgerError
from schemas.money import format_nanos

if TYPE_CHECKING:
    from ledger.views.lost_entries import Loss
    from projectors.recover import Recovered
    from projectors.recovery_plan import RecoveryPlan

_SHOWN = 20


class NotAllRecoverable(LedgerError):
    message = "Some entries can't be recovered; to recover all others, add --leave-out with this number"


class DryRun(Exception):
    """The command is to show only what is missing."""


def lines_of(plan: "RecoveryPlan") -> Iterator[str]:
    """What is missing, for people."""
    yield from (f"The topic {name} was created again." for name in plan.topics)
    yield from (f"The book lacks its event {event.number}." for event in plan.book)
    yield from (f"Partition {number}: {_place(plan, number)}" for number in sorted(plan.comparison.changed))
    if plan.comparison.losses:
        yield f"In all: {_figures(plan.comparison.losses)}"
    yield from (
        f"{topic} lacks {count:,} messages; folding the log sends them again." for topic, count in _messages(plan)
    )
    if plan.dead_letters:
        yield f"{plan.dead_letters:,} dead letters can't be recovered: only their beginnings were kept."
    for place in plan.unrecoverable[:_SHOWN]:
        yield f"Can't be recovered, because its content is not what was folded: {place}"


def plan_json(plan: "RecoveryPlan") -> dict[str, Any]:
    """The fields of the line of `--json`."""
    comparison = plan.comparison
    return {
        "missing": comparison.records,
        "topics": plan.topics,
        "book_events": [event.number for event in plan.book],
        "messages": plan.messages,
        "dead_letters": plan.dead_letters,
        "unrecoverable": plan.unrecoverable,
        "partitions": [
            {
                "partition": number,
                "log_begin": comparison.bounds[number].begin,
                "log_end": comparison.bounds[number].end,
                "folded": comparison.folded[number],
                "reason": comparison.diverged.get(number),
                **_loss_json([loss for loss in comparison.losses if loss.partition == number]),
            }
            for number in sorted(comparison.changed)
        ],
        **_loss_json(comparison.losses),
    }


def done_lines(recovered: "Recovered | None") -> Iterator[str]:
    """What was done, for people."""
    if recovered is None:
        yield "Nothing is missing, and the topics belong to this ledger."
        return
    yield f"Appended {recovered.records:,} events and {len(recovered.plan.book):,} events of the book again."
    yield "The topics are accepted. Start the projectors, then the consumers."


def _place(plan: "RecoveryPlan", number: int) -> str:
    comparison = plan.comparison
    begin, end = comparison.bounds[number]
    place = f"the log has {begin:,} to {end:,}, folded to {comparison.folded[number]:,}"
    losses = [loss for loss in comparison.losses if loss.partition == number]
    return f"{place}; {_figures(losses) if losses else 'nothing is missing, but records are at other offsets'}"


def _figures(losses: "list[Loss]") -> str:
    types: Counter[str] = sum((Counter(loss.types) for loss in losses), Counter())
    bought, used = sum(loss.bought for loss in losses), sum(loss.used for loss in losses)
    kinds = ", ".join(f"{count:,} {type_}" for type_, count in sorted(types.items()))
    return (
        f"{types.total():,} events are missing ({kinds}): "
        f"{format_nanos(bought)} credits bought, {format_nanos(used)} used"
    )


def _loss_json(losses: "list[Loss]") -> dict[str, Any]:
    types: Counter[str] = sum((Counter(loss.types) for loss in losses), Counter())
    return {
        "events": types.total(),
        "types": dict(types),
        "credits_bought": format_nanos(sum(loss.bought for loss in losses)),
        "credits_used": format_nanos(sum(loss.used for loss in losses)),
    }


def _messages(plan: "RecoveryPlan") -> list[tuple[str, int]]:
    return sorted(plan.messages.items())
