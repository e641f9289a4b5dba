"""A ledger in production under load, one fault after the other: all works again without a hand, and all is exact.

Takes some half an hour: only with LEDGER_SLOW=1. `make outages` runs the same and prints the table.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.production import FAULTS, Outcome, Trial, table, trial

pytestmark = pytest.mark.skipif(not os.environ.get("LEDGER_SLOW"), reason="takes half an hour: LEDGER_SLOW=1")
OUTCOMES: list[Outcome] = []


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    logs: Path = tmp_path_factory.mktemp("production")
    with trial(logs) as running:
        yield running
    print(table(OUTCOMES))


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_all_works_without_a_hand_and_is_exact(running: Trial, fault: str) -> None:
    outcome = running.run(fault)
    OUTCOMES.append(outcome)
    assert outcome.problems == [], table([outcome])


def test_the_log_folded_anew_gives_the_same(running: Trial) -> None:
    assert running.proof() == []
