"""Whether this process lives, whether all it needs is there, and its metrics."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

import psycopg
from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from ledger.api.dependencies import Needs
from ledger.core.errors import LedgerError
from ledger.gate.metrics import hold_figures
from ledger.guard.metrics import metrics as guard_metrics
from ledger.payments.payment_alerts import metrics as payment_alert_metrics
from ledger.postgres.release import OtherRelease
from ledger.records import payment_alerts
from ledger.service.caller import Caller
from ledger.service.resources import Resources
from ledger.views import quarantine
from ledger.views.progress import Progress, outbox, record_counts
from ledger.web.dependencies import MetricsOf, ResourcesOf
from ledger.web.errors import RETRY_AFTER
from ledger.web.metrics import Stored, exposition, lag_of
from schemas.http import Part, Readiness

PROJECTION_SECONDS = 15

router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process is alive. This does not check what it needs."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"model": Readiness}}, response_model=Readiness)
async def readyz(resources: ResourcesOf) -> Response:
    """Whether Kafka, Postgres, the projection and the book are available, and the log may be written to.

    `missing` names the others: `log` means that the log is not the one that the views were folded from.
    """
    rows = resources.postgres.latest
    through = min((row.through for row in rows if row.through), default=None)
    behind = max((datetime.now(UTC) - through).total_seconds(), 0) if through else None
    checks = {
        "kafka": _kafka(resources),
        "postgres": Part(ready=resources.postgres.up, reason=resources.postgres.reason or None),
        "projection": _projection(rows, behind, known=resources.postgres.up or bool(rows)),
        "book": _book(resources),
        "log": Part(ready=not resources.guard.trouble, reason=resources.guard.trouble or None),
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
async def metrics(
    resources: ResourcesOf, request_metrics: MetricsOf, caller: Annotated[Caller, Depends(Needs("metrics:read"))]
) -> Response:
    """Prometheus' text format. Requests are those of all processes behind this port.

    Without Postgres, `ledger_postgres_up` is 0, figures that only Postgres has are missing, and the views' age grows.
    """
    text = exposition(
        request_metrics,
        resources.postgres.up,
        resources.postgres.latest,
        not resources.log.trouble,
        guard_metrics(resources.guard),
        await _stored(resources),
    )
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _stored(resources: Resources) -> Stored | None:
    """The figures that only Postgres has; None when it does not answer."""
    try:
        async with resources.pool.connection() as connection:
            return Stored(
                await record_counts(connection),
                await outbox(connection),
                await quarantine.count(connection),
                await hold_figures(connection),
                payment_alert_metrics(await (await connection.execute(payment_alerts.SQL["figures"])).fetchall()),
            )
    except (psycopg.OperationalError, OtherRelease):
        return None


def _kafka(resources: Resources) -> Part:
    """Kafka as the appending producer sees it: that reading works says nothing about writing."""
    trouble = resources.log.trouble
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


def _book(resources: Resources) -> Part:
    try:
        resources.book.book()
    except LedgerError as error:
        return Part(ready=False, reason=str(error))
    return Part(ready=True)
