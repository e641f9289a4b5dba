"""Whether this process lives, whether all it needs is there, and its metrics."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import psycopg
from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from ledger.api.auth import Caller, Needs
from ledger.api.errors import RETRY_AFTER
from ledger.api.metrics import exposition, lag_of
from ledger.api.parts import Parts, PartsOf
from ledger.core.errors import LedgerError
from ledger.gate.figures import figures
from ledger.payments import unreconciled
from ledger.records import payment_alerts
from ledger.records.release import OtherRelease
from ledger.views.progress import Progress, outbox, progress, tallies
from schemas.http import Part, Readiness

KAFKA_SECONDS = 5
PROJECTION_SECONDS = 15
_POSTGRES_SECONDS = 2

router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process is alive; nothing is said about what it needs."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"model": Readiness}}, response_model=Readiness)
async def readyz(parts: PartsOf) -> Response:
    """Whether Kafka, Postgres, the projection and the book are there; `missing` names those that aren't."""
    rows, postgres = await _progress(parts)
    through = min((row.through for row in rows if row.through), default=None)
    behind = max((datetime.now(UTC) - through).total_seconds(), 0) if through else None
    checks = {
        "kafka": _kafka(parts),
        "postgres": postgres,
        "projection": _projection(rows, behind) if postgres.ready else Part(ready=False, reason="only Postgres knows"),
        "book": _book(parts),
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
    """Prometheus' text format. Requests are those of all processes behind this port."""
    async with parts.pool.connection() as connection:
        text = exposition(
            parts.metrics,
            await progress(connection),
            await tallies(connection),
            await outbox(connection),
            await figures(connection),
            unreconciled.metrics(await (await connection.execute(payment_alerts.SQL["figures"])).fetchall()),
        )
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _progress(parts: Parts) -> tuple[Sequence[Progress], Part]:
    try:
        async with asyncio.timeout(_POSTGRES_SECONDS), parts.pool.connection() as connection:
            return await progress(connection), Part(ready=True)
    except OtherRelease as other:
        return [], Part(ready=False, reason=str(other))
    except (psycopg.Error, TimeoutError) as error:
        return [], Part(ready=False, reason=f"Postgres does not answer: {type(error).__name__}")


def _kafka(parts: Parts) -> Part:
    age = parts.book.age_seconds
    if age <= KAFKA_SECONDS:
        return Part(ready=True)
    return Part(ready=False, reason=parts.book.refused or "the broker has not answered lately")


def _projection(rows: Sequence[Progress], behind: float | None) -> Part:
    if not rows or behind is None:
        return Part(ready=False, reason="no projector has folded anything yet")
    if behind > PROJECTION_SECONDS:
        return Part(ready=False, reason=f"the views are {behind:.0f} s behind")
    return Part(ready=True)


def _book(parts: Parts) -> Part:
    try:
        parts.book.book()
    except LedgerError as error:
        return Part(ready=False, reason=str(error))
    return Part(ready=True)
