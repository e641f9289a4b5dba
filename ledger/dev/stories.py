"""The named stories of `ledger dev`: each is one account, and shows one behaviour of the ledger again and again.

Together they publish some 50 events per second. Accounts have the same names in each run.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ledger.dev.router import Request, Router, agent_request, chat_request, trace_event, usage_event
from ledger.dev.saved_card import save_card
from schemas.events import Adjustment, CreditsAdjusted, Trace
from schemas.fields import json_of
from schemas.identity import time_ordered_id
from schemas.money import parse_nanos

PURCHASE_SECONDS = 0.5  # time for a purchase to be projected

Play = Callable[["Stage"], Awaitable[None]]


class Story(NamedTuple):
    """An account, what it shows, and the coroutine that plays it without end."""

    account_id: str
    title: str
    play: Play
    package: str = "team"


class Stage:
    """What a story uses: the router, its account, random numbers, and a place to report what happened."""

    def __init__(self, router: Router, account_id: str) -> None:
        self.router, self.account_id = router, account_id
        self.rng = random.Random()

    async def request(self, request: Request) -> bool:
        """One request of the customer; False if it was refused."""
        event = await self.router.request(self.account_id, request)
        if event is None:
            self.report("402: Insufficient credits")
            return False
        self.report(f"{request.model}, {request.input_tokens + request.output_tokens:,} tokens")
        return True

    async def buy(self, credits: str) -> None:
        """The customer adds credits."""
        await self.router.buy(self.account_id, credits)
        self.report(f"bought ${credits} of credits")

    async def ensure(self, credits: str) -> None:
        """Buys credits, unless an earlier run left as many."""
        account = await self.router.account(self.account_id)
        if parse_nanos(account["balance"]) < parse_nanos(credits):
            await self.buy(credits)
            await asyncio.sleep(PURCHASE_SECONDS)

    async def pause(self, a_second: float) -> None:
        """Waits a random time, on average 1 / `a_second` seconds."""
        await asyncio.sleep(min(self.rng.expovariate(a_second), 5 / a_second))

    def report(self, sentence: str) -> None:
        """Reports the last thing that happened to this account."""
        self.router.report(self.account_id, sentence)


async def tops_itself_up(stage: Stage) -> None:
    """Spends about one credit per second. Below 10 the ledger triggers, and a saved card is charged 15."""
    await save_card(stage.router, stage.account_id)
    policy = {"enabled": True, "threshold": "10", "amount": "15", "provider": "stripe"}
    await stage.router.put(f"/v1/accounts/{stage.account_id}/auto-top-up", policy)
    await stage.ensure("15")
    while True:
        if await stage.request(agent_request(stage.rng)):
            await stage.pause(2.5)
        else:  # its credits were spent while the charge was under way
            await stage.pause(1)


async def runs_dry(stage: Stage) -> None:
    """Spends 5 credits in a few seconds, is refused for a while, buys again, and so on."""
    while True:
        await stage.ensure("5")
        while await stage.request(agent_request(stage.rng)):
            await stage.pause(2)
        for _ in range(8):
            await asyncio.sleep(1)
            await stage.request(agent_request(stage.rng))


async def beyond_included_traces(stage: Stage) -> None:
    """Has 100 free traces per month and sends more, which are charged."""
    await stage.ensure("10")
    while True:
        for number in range(10):
            await stage.router.publish(trace_event(stage.account_id, stage.rng.randint(5, 12)))
            await stage.pause(3)
            if number % 3 == 0:
                traces = (await stage.router.account(stage.account_id))["traces"]
                stage.report(f"{traces['used']:,} traces, {traces['included']:,} included")
        if not (await stage.router.request(stage.account_id, chat_request(stage.rng))):
            await stage.ensure("10")


async def sends_twice(stage: Stage) -> None:
    """Sends every third event twice, as a router that missed an acknowledgement does."""
    await stage.ensure("10")
    while True:
        for _ in range(2):
            await _chat_or_buy(stage)
            await stage.pause(3)
        event = await stage.router.request(stage.account_id, chat_request(stage.rng))
        if event is not None:
            await stage.router.publish(event)
            stage.report(f"{event.data.request_id} sent twice")
        await stage.pause(2)


async def sends_bad_events(stage: Stage) -> None:
    """Sometimes sends an event that the ledger must refuse; it becomes a dead letter with a reason."""
    await stage.ensure("10")
    while True:
        for bad in (_unknown_model, _forged_credits, _other_content, _not_json):
            for _ in range(6):
                await _chat_or_buy(stage)
                await stage.pause(2)
            await bad(stage)
            await asyncio.sleep(2)  # time to read it


async def ordinary_use(stage: Stage) -> None:
    """An ordinary account."""
    await stage.ensure("25")
    while True:
        await _chat_or_buy(stage)
        await stage.pause(11)


STORIES = (
    Story("nova-labs", "tops itself up", tops_itself_up),
    Story("pixel-dry", "runs dry", runs_dry),
    Story("trace-heavy", "beyond its traces", beyond_included_traces, package="free"),
    Story("echo-twice", "sends twice", sends_twice),
    Story("odd-client", "sends bad events", sends_bad_events),
    Story("acme", "ordinary", ordinary_use),
    Story("globex", "ordinary", ordinary_use),
    Story("initech", "ordinary", ordinary_use),
    Story("umbrella", "ordinary", ordinary_use, package="scale"),
)


async def play(story: Story, router: Router) -> None:
    """Opens the story's account and plays the story until it is cancelled."""
    await router.open(story.account_id, story.package)
    await story.play(Stage(router, story.account_id))


async def _chat_or_buy(stage: Stage) -> None:
    if not await stage.request(chat_request(stage.rng)):
        await stage.ensure("10")


async def _unknown_model(stage: Stage) -> None:
    request = Request("openai", "gpt-99-unreleased", "auto", 1_000, 100, hold="0.01")
    await stage.router.publish(usage_event(stage.account_id, request))
    stage.report("sent a model without a price")


async def _forged_credits(stage: Stage) -> None:
    forged = CreditsAdjusted(
        source="router/stolen",
        id=time_ordered_id(),
        subject=stage.account_id,
        data=Adjustment(amount="1000000", reason_code="gift", actor_id="thief"),
    )
    await stage.router.publish(forged)
    stage.report("tried to mint credits, unsigned")


async def _other_content(stage: Stage) -> None:
    event = trace_event(stage.account_id, 1)
    await stage.router.publish(event)
    other = event.model_copy(update={"data": Trace(trace_id=event.data.trace_id, count=2)})
    await stage.router.publish(other)
    stage.report("used an id for other content")


async def _not_json(stage: Stage) -> None:
    broken = json_of(trace_event(stage.account_id, 1))[:-10]
    await stage.router.publish_raw(stage.account_id, broken)
    stage.report("sent half an event")
