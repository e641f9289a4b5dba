"""Faults of a ledger in production, under load, one after the other: how long each thing was refused, and whether all
works and is exact afterwards without a hand.

    python -m tests.faults.production --faults broker-killed,postgres-killed --json outages.json

Ends with 1 if anything was wrong. The table of outage lengths goes to stdout as Markdown, and to a file as JSON.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ledger.dev.kafka import EmbeddedKafka
from tests.support.exactness import credited, settle, wrongs
from tests.support.expected import discrepancies
from tests.support.production import API_PROCESSES, Production, production
from tests.support.sampling import Kind, Lie, Sample, lies, longest, outages, seconds_of
from tests.support.traffic import Traffic
from tests.support.views_age import ViewsAge

CALM_SECONDS = 8.0
PATIENCE_SECONDS = 90.0
FIRST_PATIENCE_SECONDS = 180.0
HAND_SECONDS = 240.0
# It has recovered when each lane was served for so long.
SERVED_SECONDS = 3.0

Fault = Callable[[Production], None]


def nothing(_: Production) -> None:
    """The control: what the table shows where nothing is broken."""
    time.sleep(10)


def broker_killed(running: Production) -> None:
    """The broker that leads most, for 15 s."""
    _without([running.busiest_broker()], 15)


def two_brokers_killed(running: Production) -> None:
    """Too few for a record to be acknowledged, for 10 s."""
    busiest = running.busiest_broker()
    _without([busiest, next(each for each in running.brokers.all if each is not busiest)], 10)


def brokers_killed(running: Production) -> None:
    """All at once, and started again."""
    running.brokers.kill()
    running.brokers.start()


def broker_stopped(running: Production) -> None:
    """The broker that leads most keeps its connections and does not answer for 8 s."""
    broker = running.busiest_broker()
    running.brokers.pause(broker)
    time.sleep(8)
    running.brokers.resume(broker)


def brokers_stopped(running: Production) -> None:
    """All of them, for 8 s."""
    running.brokers.pause()
    time.sleep(8)
    running.brokers.resume()


def worker_killed(running: Production) -> None:
    running.workers[0].process.kill()


def workers_killed(running: Production) -> None:
    """Both at once."""
    for worker in running.workers:
        worker.process.kill()


def worker_stopped(running: Production) -> None:
    """For 15 s."""
    _stopped([running.workers[0].process], 15)


def postgres_killed(running: Production) -> None:
    """For 10 s."""
    running.postgres.kill()
    time.sleep(10)
    running.postgres.start()


def postgres_stopped(running: Production) -> None:
    """The server and its backends, for 10 s."""
    running.pause_postgres()
    time.sleep(10)
    running.resume_postgres()


def api_process_killed(running: Production) -> None:
    """One of the two behind the port."""
    running.api.children()[0].kill()


def api_process_stopped(running: Production) -> None:
    """One of the two behind the port, for 8 s, unless its supervisor replaces it."""
    _stopped([running.api.children()[0]], 8)


def api_killed(running: Production) -> None:
    """The process that supervises both."""
    running.api.process.kill()


def consumers_killed(running: Production) -> None:
    running.consumers.process.kill()


def consumers_stopped(running: Production) -> None:
    """For 15 s."""
    _stopped([running.consumers.process], 15)


FAULTS: dict[str, Fault] = {
    fault.__name__.replace("_", "-"): fault
    for fault in (
        nothing,
        broker_killed,
        broker_stopped,
        brokers_stopped,
        brokers_killed,
        two_brokers_killed,
        worker_killed,
        workers_killed,
        worker_stopped,
        postgres_killed,
        postgres_stopped,
        api_process_killed,
        api_process_stopped,
        api_killed,
        consumers_killed,
        consumers_stopped,
    )
}


@dataclass
class Outcome:
    """What one fault did. Seconds, but for the lists."""

    fault: str
    lasted: float
    # The longest outage of one lane, or partition, from its first refusal to its next success.
    usage: float = 0
    gate: float = 0
    ready: float = 0
    views: float = 0
    kafka: float = 0
    # From the end of the fault until all worked again; None: not without a hand.
    recovered: float | None = None
    # In how many seconds /readyz said 200 while that was refused, or anything else while all was served.
    ready_but_no_usage: int = 0
    ready_but_no_gate: int = 0
    served_but_not_ready: int = 0
    # What was missing when patience ended, and what is not exact.
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """All that must not be."""
        return [*(f"not without a hand: {each}" for each in self.missing), *self.wrong, *self.lies]


class Trial:
    """A running ledger under load, with what watches it."""

    def __init__(self, running: Production, traffic: Traffic, views: ViewsAge, patience: float) -> None:
        self.running, self.traffic, self.views, self.patience = running, traffic, views, patience

    def await_flow(self) -> None:
        """Waits until all works before anything is broken."""
        at = time.time()
        while missing := self.missing(at):
            assert time.time() < at + FIRST_PATIENCE_SECONDS, f"before any fault: {'; '.join(missing)}"
            time.sleep(1)
        _say(f"all works, {time.time() - at:.0f} s after the load began")

    def run(self, name: str) -> Outcome:
        """One fault, and all that follows until the ledger is at rest; then the load goes on."""
        _say(f"{name} …")
        before = self._calm()
        began = time.time()
        FAULTS[name](self.running)
        outcome = Outcome(name, time.time() - began)
        outcome.recovered = self._recovery(time.time(), outcome)
        self._measure(outcome, began, time.time())
        if outcome.missing:
            self._by_hand()
        outcome.wrong = [*before, *self._quiet(), *self._refused_to_start(), *wrongs(self.running, self.traffic)]
        self.traffic.resume()
        _say(f"{name}: {'; '.join(outcome.problems) or 'no problem'}")
        return outcome

    def _calm(self) -> list[str]:
        """Time with all served, so that the fault is blamed for nothing else; what was refused for no reason."""
        at = time.time()
        time.sleep(CALM_SECONDS)
        while (refused := self._refused(at)) and time.time() < at + self.patience:
            time.sleep(1)
        if refused:
            self._by_hand()
        return [f"before it began, after the fault before it: {each}" for each in refused]

    def proof(self) -> list[str]:
        """At the end: the log folded anew, by fractions of our own and by `ledger rebuild`, against the views."""
        wrong = [*self._quiet(), *wrongs(self.running, self.traffic), *discrepancies(self.running.settings)]
        rebuilt = self.running.rebuild()
        self.traffic.resume()
        return [*wrong, *([rebuilt] if rebuilt else [])]

    def _recovery(self, ended: float, outcome: Outcome) -> float | None:
        """Seconds until nothing was missing; None, and what was, when patience ended."""
        recovered = None
        while time.time() < ended + self.patience:
            missing = self.missing(ended)
            if not missing:
                recovered = recovered or time.time() - ended
                return recovered
            time.sleep(0.5)
        outcome.missing = missing
        return None

    def missing(self, ended: float) -> list[str]:
        """What of all that must work does not yet work, since the fault ended."""
        return [*self._refused(ended), *self._no_process(), *self._not_credited(ended)]

    def _refused(self, since: float) -> list[str]:
        """What was refused or not asked in the last seconds, of all that was sent since a moment."""
        self.traffic.check()
        lately = [sample for sample in self._samples(time.time() - 30) if sample.at >= since]
        kinds: tuple[Kind, ...] = ("usage", "gate", "ready")
        return [line for kind in kinds for line in _not_served(kind, lately)]

    def _samples(self, since: float) -> list[Sample]:
        """Those that were sent since then; they are kept in the order of their answers."""
        found = []
        for sample in reversed(self.traffic.samples):
            if sample.answered < since:
                break
            found.append(sample)
        return [sample for sample in found if sample.at >= since]

    def _no_process(self) -> list[str]:
        serving = len(self.running.api.children())
        down = [service.name for service in self.running.supervisor.all if not service.alive]
        return [
            *([f"{serving} of {API_PROCESSES} processes serve"] if serving != API_PROCESSES else []),
            *(f"{name} does not run" for name in down),
        ]

    def _not_credited(self, ended: float) -> list[str]:
        """A purchase that was begun after the fault, and a top-up of after it."""
        try:
            purchases = {purchase for _, purchase in credited(self.running, "purchase", ended)}
            top_ups = credited(self.running, "auto_top_up", ended)
        except Exception as error:
            return [f"the views can't be read: {type(error).__name__}"]
        begun = {purchase for purchase, (_, at) in list(self.traffic.accepted.paid.items()) if at >= ended}
        return [
            *([] if begun & purchases else ["no purchase that began after it is credited"]),
            *([] if top_ups else ["no top-up is credited after it"]),
        ]

    def _measure(self, outcome: Outcome, began: float, until: float) -> None:
        samples = self._samples(began - 5)
        found = [outage for outage in outages(samples, until) if outage.ended > began]
        said = [lie for lie in lies(samples, until) if lie.at >= began]
        outcome.usage, outcome.gate = longest(found, "usage"), longest(found, "gate")
        outcome.ready, outcome.views = longest(found, "ready"), self.views.oldest(began, until)
        outcome.kafka = max((sample.took for sample in samples if sample.kind == "kafka"), default=0)
        outcome.ready_but_no_usage = seconds_of(said, lambda lie: lie.but.startswith("usage was"))
        outcome.ready_but_no_gate = seconds_of(said, lambda lie: lie.but.startswith("gate was"))
        outcome.served_but_not_ready = seconds_of(said, lambda lie: lie.said != "200")
        outcome.lies = _in_words(said, began)

    def _by_hand(self) -> None:
        """What can't go on by itself is restarted, so that the next fault has a working ledger."""
        _say(f"restarted by hand, since {'; '.join(self.missing(time.time() - self.patience))}")
        at = time.time()
        self.running.restart_by_hand()
        while missing := self.missing(at):
            assert time.time() < at + HAND_SECONDS, f"restarted by hand, and still: {'; '.join(missing)}"
            time.sleep(1)

    def _quiet(self) -> list[str]:
        unfinished = self.traffic.pause()
        still = [f"never accepted: {len(unfinished)}, such as {unfinished[0]}"] if unfinished else []
        return [*still, *settle(self.running, self.traffic)]

    def _refused_to_start(self) -> list[str]:
        return [f"{each.name} ended with 78" for each in self.running.supervisor.all if each.refused]


@contextlib.contextmanager
def trial(logs: Path, patience: float = PATIENCE_SECONDS) -> Any:
    """A ledger in production under load, until the block ends."""
    seed = random.SystemRandom().randrange(10**9)
    with production(logs) as running:
        _say(f"a ledger runs at {running.url}; its logs are in {logs}; seed {seed}")
        with ViewsAge(running.settings) as views, Traffic(running, seed) as traffic:
            found = Trial(running, traffic, views, patience)
            found.await_flow()
            yield found


def table(outcomes: Sequence[Outcome]) -> str:
    """Outage lengths in seconds, a row per fault."""
    head = (
        "fault | it lasted | usage refused | gate refused | views stood still | `/readyz` not 200 | Kafka without "
        "acknowledgement | all works after | `/readyz` 200 without usage / without gate / 503 with both | exact"
    )
    lines = [f"| {head} |", "|---" * (head.count("|") + 1) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(_row(outcome))} |" for outcome in outcomes)])


def _row(outcome: Outcome) -> list[str]:
    lengths = [outcome.lasted, outcome.usage, outcome.gate, outcome.views, outcome.ready, outcome.kafka]
    recovered = "not without a hand" if outcome.recovered is None else f"{outcome.recovered:.1f}"
    told = (outcome.ready_but_no_usage, outcome.ready_but_no_gate, outcome.served_but_not_ready)
    return [
        outcome.fault,
        *(f"{length:.1f}" for length in lengths),
        recovered,
        " / ".join(map(str, told)),
        "no" if outcome.wrong else "yes",
    ]


def _not_served(kind: Kind, lately: Sequence[Sample]) -> list[str]:
    """Unless each lane's answers of the last seconds are all good, and every lane has one."""
    since, own = time.time() - SERVED_SECONDS, [sample for sample in lately if sample.kind == kind]
    refused = [sample for sample in own if sample.answered >= since and not sample.ok]
    served = {sample.process for sample in own if sample.answered >= since and sample.ok}
    if refused:
        lanes = len({sample.lane for sample in refused})
        return [
            f"{kind} is refused on {lanes} lanes: {refused[0].lane}, process {refused[0].process}: {refused[0].said}"
        ]
    return [] if len(served - {0}) >= API_PROCESSES else [f"{kind} is served by {len(served)} of the API's processes"]


def _in_words(said: Sequence[Lie], began: float) -> list[str]:
    """A line per thing that was said wrongly."""
    kinds: dict[tuple[str, str], list[Lie]] = {}
    for lie in said:
        kinds.setdefault((lie.said, lie.but), []).append(lie)
    return [
        f"/readyz said {what!r} while {but}, in {seconds_of(each, lambda _: True)} seconds, first "
        f"{min(lie.at for lie in each) - began:.1f} s after it began"
        for (what, but), each in kinds.items()
    ]


def _without(brokers: Sequence[EmbeddedKafka], seconds: float) -> None:
    for broker in brokers:
        broker.kill()
    time.sleep(seconds)
    for broker in brokers:
        broker.start()


def _stopped(processes: Sequence[Any], seconds: float) -> None:
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    for process in processes:
        if process.is_running():
            process.send_signal(signal.SIGCONT)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", default=",".join(FAULTS), help="some of: %(default)s")
    parser.add_argument("--json", type=Path, default=Path("outages.json"), help="where the findings go (%(default)s)")
    parser.add_argument("--logs", type=Path, default=Path(".outages"), help="where the logs go (%(default)s)")
    parser.add_argument("--patience", type=float, default=PATIENCE_SECONDS, help="seconds to recover (%(default)s)")
    given = parser.parse_args(arguments)
    names = given.faults.split(",")
    unknown = set(names) - set(FAULTS)
    if unknown:
        parser.error(f"there is no fault {', '.join(sorted(unknown))}")
    outcomes: list[Outcome] = []
    try:
        with trial(given.logs / str(os.getpid()), given.patience) as running:
            for name in names:
                outcomes.append(running.run(name))
            outcomes.append(Outcome("all of it, folded anew", 0, recovered=0, wrong=running.proof()))
    finally:
        given.json.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
        print(table(outcomes))
        for outcome in outcomes:
            for problem in outcome.problems:
                print(f"- {outcome.fault}: {problem}")
    return 1 if any(outcome.problems for outcome in outcomes) else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
