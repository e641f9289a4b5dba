"""Samples of a service that is asked all the time, and what follows from them: outages, and whether /readyz was true.

An outage is measured as its client sees it: from the first request that was refused to the answer of the next one that
was not, on one lane. A lane is one connection that asks for one thing again and again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

Kind = Literal["usage", "gate", "ready", "kafka"]
# /readyz may be late by this, on both sides of an outage.
EDGE_SECONDS = 3.0


class Sample(NamedTuple):
    """One request: when it was sent (Unix time), how long it took, and what came of it.

    `process`: the API's process at the other end of the connection; 0: none is known.
    """

    kind: Kind
    lane: str
    at: float
    took: float
    ok: bool
    process: int = 0
    said: str = ""

    @property
    def answered(self) -> float:
        return self.at + self.took


class Outage(NamedTuple):
    """One lane's time without service; `open`: it lasted until the samples end."""

    kind: Kind
    lane: str
    process: int
    began: float
    ended: float
    open: bool
    said: str

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class Lie(NamedTuple):
    """What /readyz said of a process that was not so."""

    process: int
    at: float
    said: str
    but: str


def outages(samples: Iterable[Sample], until: float) -> list[Outage]:
    """All outages of all lanes, oldest first."""
    lanes: dict[tuple[Kind, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        lanes[sample.kind, sample.lane].append(sample)
    found = [outage for lane in lanes.values() for outage in _of_lane(sorted(lane, key=_sent), until)]
    return sorted(found, key=lambda outage: outage.began)


def longest(found: Iterable[Outage], kind: Kind) -> float:
    """Seconds of the longest outage of this kind."""
    return max((outage.seconds for outage in found if outage.kind == kind), default=0.0)


def lies(samples: Sequence[Sample], until: float) -> list[Lie]:
    """Each answer of /readyz that differs from what usage and the gate of the same process did around it."""
    refused = [outage for outage in outages(samples, until) if outage.kind in ("usage", "gate")]
    served = [sample for sample in samples if sample.ok and sample.kind in ("usage", "gate")]
    return [
        lie
        for sample in samples
        if sample.kind == "ready" and sample.process
        for lie in (_too_good(sample, refused) if sample.ok else _too_bad(sample, refused, served))
    ]


def seconds_of(found: Iterable[Lie], about: Callable[[Lie], bool]) -> int:
    """In how many seconds, of any process, such a lie was said."""
    return len({(lie.process, int(lie.at)) for lie in found if about(lie)})


def _of_lane(samples: Sequence[Sample], until: float) -> Iterable[Outage]:
    first: Sample | None = None
    for sample in samples:
        if first is None and not sample.ok:
            first = sample
        elif first is not None and sample.ok:
            yield _outage(first, sample.answered, open_=False)
            first = None
    if first is not None:
        yield _outage(first, max(until, first.answered), open_=True)


def _outage(first: Sample, ended: float, *, open_: bool) -> Outage:
    return Outage(first.kind, first.lane, first.process, first.at, ended, open_, first.said)


def _too_good(ready: Sample, refused: Iterable[Outage]) -> list[Lie]:
    """200 in the middle of an outage."""
    around = [
        outage
        for outage in refused
        if outage.process == ready.process
        and outage.began <= ready.at - EDGE_SECONDS
        and outage.ended >= ready.answered + EDGE_SECONDS
    ]
    kinds = sorted({outage.kind for outage in around})
    return [Lie(ready.process, ready.at, "200", f"{kind} was refused") for kind in kinds]


def _too_bad(ready: Sample, refused: Iterable[Outage], served: Iterable[Sample]) -> list[Lie]:
    """503, or no answer, with no outage near and with both kinds of requests served around it."""
    near = (ready.at - EDGE_SECONDS, ready.answered + EDGE_SECONDS)
    if any(each.process == ready.process and each.began < near[1] and each.ended > near[0] for each in refused):
        return []
    kinds = {each.kind for each in served if each.process == ready.process and near[0] <= each.at <= near[1]}
    whole = kinds == {"usage", "gate"}
    return [Lie(ready.process, ready.at, ready.said or "503", "usage and the gate were served")] if whole else []


def _sent(sample: Sample) -> float:
    return sample.at
