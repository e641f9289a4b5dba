"""The ASGI application: all routes, one shape of errors, resources that open and close with it."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from ledger.api import (
    accounts,
    authorizations,
    health,
    invoices,
    payment_methods,
    portal_sessions,
    prices,
    profiles,
    purchases,
    quarantine,
    reports,
    top_ups,
    transactions,
    usage,
    webhook_endpoints,
    webhooks,
)
from ledger.api.authorize import PATH, AuthorizationEndpoint
from ledger.portal import router as portal
from ledger.server.middleware import RequestMiddleware
from ledger.server.read_only import ReadOnly
from ledger.service.resources import open_resources
from ledger.settings import Settings
from ledger.web import errors
from ledger.web.metrics import RequestMetrics
from schemas.events import TraceRecorded, UsageRecorded
from schemas.http import ErrorAnswer, NewAuthorization

_DESCRIPTION = """\
Prepaid credits for LLM routers. Amounts are decimal text in credits (1 credit = 1.00 USD), times are UTC.
Every request but `/healthz` and `/readyz` needs an API key with the right scope as Bearer token; webhooks are signed.
"""


def create_app(settings: Settings) -> ASGIApp:
    """The application. It starts without Kafka and Postgres, and says 503 until they are there."""
    metrics = RequestMetrics()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with open_resources(settings) as resources:
            app.state.resources = endpoint.resources = resources
            yield {"endpoint": endpoint}

    app = FastAPI(
        title="Ledger",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        responses={"4XX": {"model": ErrorAnswer}, 503: {"model": ErrorAnswer}},
    )
    for part in (
        usage,
        authorizations,
        accounts,
        transactions,
        top_ups,
        purchases,
        invoices,
        payment_methods,
        profiles,
        prices,
        quarantine,
        reports,
        webhook_endpoints,
        webhooks,
        portal_sessions,
        portal,
        health,
    ):
        app.include_router(part.router)
    app.mount("/static", StaticFiles(packages=[("ledger.portal", "static")]))
    app.state.metrics = metrics
    errors.install(app)
    _document(app)
    endpoint = AuthorizationEndpoint(RequestMiddleware(ReadOnly(app) if settings.fold_only else app, metrics), metrics)
    return endpoint


def _document(app: FastAPI) -> None:
    """Completes the OpenAPI document: FastAPI doesn't see who may run a request, and of usage only a body of bytes."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            _, models = models_json_schema(
                [(UsageRecorded, "validation"), (TraceRecorded, "validation"), (NewAuthorization, "validation")],
                ref_template="#/components/schemas/{model}",
            )
            document["components"]["schemas"] |= models["$defs"]
            document["paths"][PATH] = {"post": authorizations.OPERATION}
        return app.openapi_schema or generate()

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents for extending it
