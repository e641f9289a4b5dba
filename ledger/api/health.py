"""Whether this process lives, whether all it needs is there, and its metrics."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

import psycopg
from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from ledger.api.auth import Caller, Needs
from ledger.api.errors import RETRY_AFTER
from ledger.api.metrics import Stored, exposition, lag_of
from ledger.api.parts import Parts, PartsOf
from ledger.core.errors import LedgerError
from ledger.gate.figures import figures
from ledger.guard.figures import metrics as guard_metrics
from ledger.payments.payment_alerts import metrics as payment_alert_metrics
from ledger.records import payment_alerts
from ledger.records.release import OtherRelease
from ledger.views.progress import Progress, outbox, tallies
from schemas.http import Part, Readiness

PROJECTION_SECONDS = 15

router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process is alive; nothing is said about what it needs."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"model": Readiness}}, response_model=Readiness)
async def readyz(parts: PartsOf) -> Response:
    """Whether Kafka, Postgres, the projection and the book are there, and the log may be written to.

    `missing` names what isn't so: `log` while the log is not the one that the views were folded from.
    """
    rows = parts.postgres.progress
    through = min((row.through for row in rows if row.through), default=None)
    behind = max((datetime.now(UTC) - through).total_seconds(), 0) if through else None
    checks = {
        "kafka": _kafka(parts),
        "postgres": Part(ready=parts.postgres.up, reason=parts.postgres.reason or None),
        "projection": _projection(rows, behind, known=parts.postgres.up or bool(rows)),
        "book": _book(parts),
        "log": Part(ready=not parts.guard.trouble, reason=parts.guard.trouble or None),
    }
    missing = [name for name, part in checks.items() if not part.ready]
    body = Readiness(
        ready=not missing,
        missing=missing,
        parts=checks,
        projected_through=through,
        lag_seconds=behind,
        lag_records=sum(map(lag_of, rows)) if rows else None,
    )
    return JSONResponse(body.model_dump(mode="json"), 503 if missing else 200, RETRY_AFTER if missing else None)


@router.get("/metrics", response_class=Response)
async def metrics(parts: PartsOf, caller: Annotated[Caller, Depends(Needs("metrics:read"))]) -> Response:
    """Prometheus' text format. Requests are those of all processes behind this port.

    Without Postgres, `ledger_postgres_up` is 0, what is only there is left out, and the age of the views grows on.
    """
    text = exposition(
        parts.metrics,
        parts.postgres.up,
        parts.postgres.progress,
        not parts.log.trouble,
        guard_metrics(parts.guard),
        await _stored(parts),
    )
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _stored(parts: Parts) -> Stored | None:
    """What Postgres alone knows; None when it does not answer."""
    try:
        async with parts.pool.connection() as connection:
            return Stored(
                await tallies(connection),
                await outbox(connection),
                await figures(connection),
                payment_alert_metrics(await (await connection.execute(payment_alerts.SQL["figures"])).fetchall()),
            )
    except (psycopg.OperationalError, OtherRelease):
        return None


def _kafka(parts: Parts) -> Part:
    """As the producer that appends sees it: that others can read says nothing about our writes."""
    trouble = parts.log.trouble
    return Part(ready=not trouble, reason=trouble or None)


def _projection(rows: Sequence[Progress], behind: float | None, *, known: bool) -> Part:
    if not known:
        return Part(ready=False, reason="Postgres alone knows, and does not answer")
    if not rows or behind is None:
        return Part(ready=False, reason="no projector has folded anything yet")
    if behind > PROJECTION_SECONDS:
        return Part(ready=False, reason="; ".join([f"the views are {behind:.0f} s behind", *_waits(rows)]))
    return Part(ready=True)


def _waits(rows: Sequence[Progress]) -> Iterator[str]:
    """What partitions can't be folded beyond, and what to do."""
    for row in rows:
        if row.waits_for == "transaction":
            yield f"a transaction is open at {row.waits_detail}: end it (kafka-transactions.sh)"
        elif row.waits_for == "unreadable":
            yield f"records can't be read at {row.waits_detail}: restore them or decide (ledger log skip)"


def _book(parts: Parts) -> Part:
    try:
        parts.book.book()
    except LedgerError as error:
        return Part(ready=False, reason=str(error))
    return Part(ready=True)
