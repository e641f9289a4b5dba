"""The sandbox's control routes, for tests and people: faults, clock, call counts and webhooks. No provider has them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from ledger.sandbox.faults import Fault
from ledger.sandbox.sandbox import Sandbox
from ledger.sandbox.webhooks import Target

router = APIRouter(prefix="/sandbox")
Provider = Literal["stripe", "razorpay"]


def sandbox_of(request: Request) -> Sandbox:
    """The running sandbox."""
    found: Sandbox = request.app.state.sandbox
    return found


CurrentSandbox = Annotated[Sandbox, Depends(sandbox_of)]


class Advance(BaseModel):
    """By how many seconds the clock advances."""

    model_config = ConfigDict(extra="forbid")
    seconds: int = Field(ge=0)


class NewTarget(BaseModel):
    """The URL that receives a provider's webhooks from now on, and the secret that signs them."""

    model_config = ConfigDict(extra="forbid")
    url: str = Field(min_length=1)
    secret: str = Field(min_length=1)


@router.get("")
async def overview(sandbox: CurrentSandbox) -> dict[str, Any]:
    """The sandbox's time, the faults that are on, the calls so far, and how many webhooks wait for delivery."""
    return {
        "now": sandbox.clock.now(),
        "faults": sandbox.faults.all(),
        "calls": sandbox.call_counts.all(),
        "webhooks_waiting": sandbox.webhooks.waiting(),
    }


@router.post("/faults", status_code=201)
async def set_fault(fault: Fault, sandbox: CurrentSandbox) -> Fault:
    """Switches a fault on. The response has the seed of its random draws."""
    sandbox.faults.add(fault)
    return fault


@router.delete("/faults", status_code=204)
async def clear_faults(sandbox: CurrentSandbox, provider: Provider | None = None) -> None:
    """Switches off the faults of one provider, or all."""
    sandbox.faults.clear(provider)


@router.post("/clock")
async def advance_clock(by: Advance, sandbox: CurrentSandbox) -> dict[str, int]:
    """Advances the clock."""
    return {"now": sandbox.clock.advance(by.seconds)}


@router.delete("/calls", status_code=204)
async def clear_calls(sandbox: CurrentSandbox) -> None:
    """Sets all call counts to zero."""
    sandbox.call_counts.clear()


@router.put("/webhooks/{provider}", status_code=204)
async def set_webhook_target(provider: Provider, target: NewTarget, sandbox: CurrentSandbox) -> None:
    """Sends the provider's webhooks to another URL from now on, also those that wait for delivery."""
    sandbox.webhooks.set_target(provider, Target(target.url, target.secret))


@router.get("/webhooks")
async def list_webhooks(sandbox: CurrentSandbox, provider: Provider | None = None) -> list[dict[str, Any]]:
    """The webhooks so far, newest first, each with the HTTP status of its deliveries (0: no response)."""
    return sandbox.webhooks.messages(provider)


@router.post("/webhooks/{event_id}/resend", status_code=202)
async def resend_webhook(event_id: str, sandbox: CurrentSandbox) -> None:
    """Delivers a webhook once more."""
    if not sandbox.webhooks.resend(event_id):
        raise HTTPException(404, f"There is no webhook {event_id}.")
