"""What a person has to decide ends a process with 78, wherever it is raised; what may pass by itself does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from consumers.process import MetricsPortTaken, NoSuchConsumer, NothingToDo
from ledger.asgi_server import PortTaken
from ledger.core.errors import EXIT_CONFIG, EXIT_FAILED, LedgerError, Refused, UnknownRules
from ledger.dev.child_processes import ChildRefuses
from ledger.log.book import BookEmpty, BookLost, BookNotReadable, BookStale
from ledger.log.connecting import CertificateUnusable, KafkaForbids, KafkaRefusesUser, KafkaTlsFailed, LogUnavailable
from ledger.log.continuity import LogDiverged
from ledger.log.kafka_python_fixes import CodecMissing, LogUnreadable
from ledger.log.topic_settings import TopicMisconfigured
from ledger.log.topics import TopicChanged, TopicMissing
from ledger.payments.gateway import ProviderUnavailable
from ledger.postgres import release
from ledger.records.book_events import BookDiffers
from ledger.records.rebuilds import RebuildRunning, RebuildUnfinished
from ledger.records.seats import SeatTaken
from ledger.settings import SettingMissing, SettingsInvalid
from projectors.continuity import ViewsLost

ROOT = Path(__file__).parents[2]
DECIDED: list[type[LedgerError]] = [
    BookDiffers, BookLost, BookNotReadable, CertificateUnusable, ChildRefuses, CodecMissing, KafkaForbids,
    KafkaRefusesUser, KafkaTlsFailed, LogDiverged, LogUnreadable, NoSuchConsumer, NothingToDo, RebuildUnfinished,
    SettingMissing, SettingsInvalid, TopicChanged, TopicMisconfigured, TopicMissing, UnknownRules, ViewsLost,
    release.DatabaseNewer, release.DatabaseOlder, release.MigrationChanged, release.NotMigrated,
    release.OtherRelease, release.ViewsOutdated,
]  # fmt: skip
# A port may be that of a predecessor that is about to end, and there is another seat after a restart.
PASSES: list[type[LedgerError]] = [
    BookEmpty, BookStale, LogUnavailable, MetricsPortTaken, PortTaken, ProviderUnavailable, RebuildRunning, Refused,
    SeatTaken,
]  # fmt: skip


@pytest.mark.parametrize("kind", DECIDED)
def test_what_a_person_has_to_decide_ends_with_78(kind: type[LedgerError]) -> None:
    assert kind.exit_code == EXIT_CONFIG == 78


@pytest.mark.parametrize("kind", PASSES)
def test_what_may_pass_does_not(kind: type[LedgerError]) -> None:
    assert kind.exit_code == EXIT_FAILED


def test_the_page_of_the_commands_explains_the_codes() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    assert all(f"| `{code}` |" in page for code in (0, 1, 2, 3, 70, 78))


@pytest.mark.parametrize("words", [("project", "--workers", "2"), ("serve",)], ids=" ".join)
def test_a_service_with_settings_that_can_not_be_used_ends_with_78(words: tuple[str, ...]) -> None:
    environment = {"LEDGER_API_PORT": "none", "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "ledger.cli", *words]
    ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == EXIT_CONFIG
    assert ended.stderr.startswith("Error: The settings can't be used: LEDGER_API_PORT")
