"""Every page: the settings, commands and metrics that it names exist."""

import re
from pathlib import Path

import pytest

from ledger.settings import SECRETS_DIR, Settings
from tests.contracts.test_cli_help import ALL as COMMANDS
from tests.docs.pages import ALL_PAGES, ROOT

PAGES = [page for page in ALL_PAGES if page != "CHANGELOG.md"]  # which also names what is gone
SETTINGS = {f"LEDGER_{name.upper()}" for name in Settings.model_fields} | {SECRETS_DIR}
# Of the development environment and the tests, not of the program.
OTHER_VARIABLES = {"LEDGER_CACHE", "LEDGER_SLOW", "LEDGER_PICTURES"}
METRIC = re.compile(r"\bledger_[a-z_]+[a-z](?=[`{\[) ])")
SUFFIXES = ("_total", "_count", "_bucket", "_sum")
SOURCES = [
    path.read_text(encoding="utf-8")
    for folder in ("ledger", "consumers", "projectors")
    for path in Path(ROOT / folder).rglob("*.py")
]
# Names in a payment's metadata, of files of secrets and of a cookie, which look like metrics.
NO_METRICS = {"ledger_purchase", "ledger_trigger", "ledger_database", "ledger_billing"} | {
    name.lower() for name in SETTINGS
}

each_page = pytest.mark.parametrize("page", PAGES)


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@each_page
def test_its_settings_exist(page: str) -> None:
    named = set(re.findall(r"LEDGER_[A-Z_]*[A-Z]\b(?![_*])", text_of(page)))
    assert named - SETTINGS - OTHER_VARIABLES == set()


@each_page
def test_its_commands_exist(page: str) -> None:
    known = {words[: len(words)] for words in COMMANDS} | {words[:1] for words in COMMANDS}
    named = {(word,) for word in re.findall(r"(?:`|^\$ |bin/)ledger ([a-z][a-z-]*)\b", text_of(page), re.MULTILINE)}
    assert named - known == set()


@each_page
def test_its_metrics_exist(page: str) -> None:
    named = {_without_suffix(name) for name in METRIC.findall(text_of(page))} - NO_METRICS
    assert {name for name in named if not any(f'"{name}' in source for source in SOURCES)} == set()


def _without_suffix(name: str) -> str:
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name
