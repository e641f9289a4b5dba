"""The sandbox's own routes, for tests and people: faults, clock, counted calls, webhooks. No provider has them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from ledger.sandbox.faults import Fault
from ledger.sandbox.parts import Sandbox
from ledger.sandbox.webhooks import Target

router = APIRouter(prefix="/sandbox")
Provider = Literal["stripe", "razorpay"]


def sandbox_of(request: Request) -> Sandbox:
    """The running sandbox."""
    found: Sandbox = request.app.state.sandbox
    return found


SandboxOf = Annotated[Sandbox, Depends(sandbox_of)]


class Advance(BaseModel):
    """How far the clock goes forward."""

    model_config = ConfigDict(extra="forbid")
    seconds: int = Field(ge=0)


class NewTarget(BaseModel):
    """Where a provider's webhooks go from now on."""

    model_config = ConfigDict(extra="forbid")
    url: str = Field(min_length=1)
    secret: str = Field(min_length=1)


@router.get("")
async def overview(sandbox: SandboxOf) -> dict[str, Any]:
    """What time it is here, what is switched on, what was called, and how many webhooks wait."""
    return {
        "now": sandbox.clock.now(),
        "faults": sandbox.faults.all(),
        "calls": sandbox.counts.all(),
        "webhooks_waiting": sandbox.webhooks.waiting(),
    }


@router.post("/faults", status_code=201)
async def set_fault(fault: Fault, sandbox: SandboxOf) -> Fault:
    """Switches a fault on; the answer has the seed that it draws from."""
    sandbox.faults.add(fault)
    return fault


@router.delete("/faults", status_code=204)
async def clear_faults(sandbox: SandboxOf, provider: Provider | None = None) -> None:
    """Switches faults off."""
    sandbox.faults.clear(provider)


@router.post("/clock")
async def advance_clock(by: Advance, sandbox: SandboxOf) -> dict[str, int]:
    """Puts the clock forward."""
    return {"now": sandbox.clock.advance(by.seconds)}


@router.delete("/calls", status_code=204)
async def clear_calls(sandbox: SandboxOf) -> None:
    """Counts from zero again."""
    sandbox.counts.clear()


@router.put("/webhooks/{provider}", status_code=204)
async def aim_webhooks(provider: Provider, target: NewTarget, sandbox: SandboxOf) -> None:
    """Sends the provider's webhooks somewhere else from now on, also those that wait."""
    sandbox.webhooks.aim(provider, Target(target.url, target.secret))


@router.get("/webhooks")
async def list_webhooks(sandbox: SandboxOf, provider: Provider | None = None) -> list[dict[str, Any]]:
    """What was told, newest first, with the status of each delivery (0: no answer)."""
    return sandbox.webhooks.messages(provider)


@router.post("/webhooks/{event_id}/resend", status_code=202)
async def resend_webhook(event_id: str, sandbox: SandboxOf) -> None:
    """Delivers a message once more."""
    if not sandbox.webhooks.resend(event_id):
        raise HTTPException(404, f"There is no webhook {event_id}.")
