"""What the harness of faults makes of its samples: how long an outage was, and when /readyz said what was not so."""

from collections.abc import Iterator

from tests.support.sampling import EDGE_SECONDS, Kind, Sample, lies, longest, outages

ONE, OTHER = 11, 12
TOOK = 0.1


def lane(kind: Kind, seconds: int, refused: range = range(0), process: int = ONE) -> Iterator[Sample]:
    """A request each second, answered after `TOOK`, some of them refused."""
    for second in range(seconds):
        ok = second not in refused
        yield Sample(kind, f"{kind}-{process}", second, TOOK, ok, process, "" if ok else "503")


def test_an_outage_lasts_from_the_first_refusal_to_the_answer_of_the_next_success_on_its_lane() -> None:
    samples = [*lane("usage", 20, range(5, 9)), *lane("usage", 20, range(7, 8), OTHER)]
    found = outages(samples, until=20)
    assert [(each.process, each.began, each.ended) for each in found] == [(ONE, 5, 9 + TOOK), (OTHER, 7, 8 + TOOK)]
    assert longest(found, "usage") == 4 + TOOK
    assert longest(found, "gate") == 0


def test_an_outage_that_does_not_end_lasts_until_the_samples_do() -> None:
    [outage] = outages(lane("gate", 20, range(12, 20)), until=25)
    assert (outage.began, outage.ended, outage.open) == (12, 25, True)


def test_a_service_that_is_always_served_and_ready_has_no_outage_and_tells_no_lie() -> None:
    samples = [*lane("usage", 20), *lane("gate", 20), *lane("ready", 20)]
    assert outages(samples, until=20) == []
    assert lies(samples, until=20) == []


def test_200_while_usage_is_refused_is_a_lie_of_that_process_but_not_at_the_edges() -> None:
    refused = range(5, 15)
    samples = [*lane("usage", 20, refused), *lane("gate", 20), *lane("ready", 20)]
    samples += [*lane("usage", 20, process=OTHER), *lane("gate", 20, process=OTHER), *lane("ready", 20, process=OTHER)]
    found = lies(samples, until=20)
    assert {(lie.process, lie.but) for lie in found} == {(ONE, "usage was refused")}
    assert [lie.at for lie in found] == [8, 9, 10, 11, 12]
    assert found[0].at == refused.start + EDGE_SECONDS


def test_503_while_all_is_served_is_a_lie_but_not_while_the_gate_is_refused() -> None:
    unready = range(5, 8)
    served = [*lane("usage", 20), *lane("gate", 20), *lane("ready", 20, unready)]
    assert [lie.at for lie in lies(served, until=20)] == [5, 6, 7]
    closed = [*lane("usage", 20), *lane("gate", 20, range(5, 8)), *lane("ready", 20, unready)]
    assert lies(closed, until=20) == []
