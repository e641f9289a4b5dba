"""The sandbox as one ASGI application: each provider's routes, the switches, and the delivery of webhooks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.applications import Starlette

from ledger.sandbox import control, razorpay, stripe
from ledger.sandbox.parts import Options, Sandbox

# Each has NAME, `sign(body, secret, event_id)` for webhooks, `routes(sandbox)` below its name, and `router` for what is
# done on its dashboard, below /sandbox.
PROVIDERS = (stripe, razorpay)
TICK_SECONDS = 0.5


def create_app(options: Options) -> FastAPI:
    """The application, with what its file holds."""
    sandbox = Sandbox.started(options, {provider.NAME: provider.sign for provider in PROVIDERS})

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        working = asyncio.gather(sandbox.webhooks.deliver(), _pass_time(sandbox))
        yield
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        sandbox.store.close()

    app = FastAPI(title="Payment sandbox", lifespan=lifespan, redoc_url=None)
    app.state.sandbox = sandbox
    app.include_router(control.router)
    for provider in PROVIDERS:
        app.include_router(provider.router)
        # Both have a /v1/customers: each one's base URL ends with its name.
        app.mount(f"/{provider.NAME}", Starlette(routes=provider.routes(sandbox)))
    return app


async def _pass_time(sandbox: Sandbox) -> None:
    """Lets happen what happens by itself, also when nobody calls."""
    while True:
        with sandbox.store.transaction():
            stripe.tick(sandbox)
        await asyncio.sleep(TICK_SECONDS)
