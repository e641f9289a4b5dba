"""The sandbox as one ASGI application: the providers' routes, the control routes, and the delivery of webhooks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.applications import Starlette

from ledger.sandbox import control_routes, razorpay, stripe
from ledger.sandbox.sandbox import Options, Sandbox

# Each has NAME, `sign(body, secret, event_id)` for webhooks, `routes(sandbox)` below its name, and `router` with its
# control routes below /sandbox.
PROVIDERS = (stripe, razorpay)
TICK_SECONDS = 0.5


def create_app(options: Options) -> FastAPI:
    """The application, with the state that its file holds."""
    sandbox = Sandbox.started(options, {provider.NAME: provider.sign for provider in PROVIDERS})

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        working = asyncio.gather(sandbox.webhooks.deliver(), _run_timers(sandbox))
        yield
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        sandbox.store.close()

    app = FastAPI(title="Payment sandbox", lifespan=lifespan, redoc_url=None)
    app.state.sandbox = sandbox
    app.include_router(control_routes.router)
    for provider in PROVIDERS:
        app.include_router(provider.router)
        # Both APIs have a /v1/customers, so each one's base URL ends with its name.
        app.mount(f"/{provider.NAME}", Starlette(routes=provider.routes(sandbox)))
    return app


async def _run_timers(sandbox: Sandbox) -> None:
    """Runs the providers' timers, also when no request comes."""
    while True:
        with sandbox.store.transaction():
            stripe.run_timers(sandbox)
        await asyncio.sleep(TICK_SECONDS)
