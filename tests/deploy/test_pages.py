"""What docs/how-to/deploy.md and secure-kafka.md name exists: metrics, commands, settings, files, services."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ledger.settings import SECRETS_DIR, Settings
from tests.contracts.test_cli_help import ALL as COMMANDS
from tests.deploy.test_compose import PROVIDERS, SERVICES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "how-to" / name for name in ("deploy.md", "secure-kafka.md")]
WRITTEN_BY_OPERATORS = ("deploy/secrets", "deploy/ledger.env")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@each_page
def test_its_settings_exist(page: Path) -> None:
    known = {f"LEDGER_{name.upper()}" for name in Settings.model_fields} | {SECRETS_DIR}
    assert set(re.findall(r"LEDGER_[A-Z_]*[A-Z]\b(?!_\*)", page.read_text())) <= known


@each_page
def test_its_commands_exist(page: Path) -> None:
    known = {words[0] for words in COMMANDS}
    assert set(re.findall(r"(?:`|bin/)ledger ([a-z-]+)", page.read_text())) <= known


@each_page
def test_its_files_exist(page: Path) -> None:
    named = re.findall(r"(?<![\w/])(?:deploy|tests)/[\w./-]*\w", page.read_text())
    ours = [name for name in named if not name.startswith(WRITTEN_BY_OPERATORS)]
    assert [name for name in ours if not (ROOT / name).exists()] == []


def test_its_metrics_exist() -> None:
    told = set(re.findall(r"\b(ledger_[a-z_]+?)(?:_total|_count)?\b(?=[{\[) >`])", PAGES[0].read_text()))
    written = [
        path.read_text()
        for folder in ("ledger/web", "ledger/guard", "consumers")
        for path in (ROOT / folder).glob("*.py")
    ]
    secrets = {name for service in SERVICES.values() for name in service.get("secrets", ())}
    secrets |= {name for page in PROVIDERS.values() for name in YAML(typ="safe").load(ROOT / page)["secrets"]}
    assert [name for name in told - secrets if not any(f'"{name}"' in text for text in written)] == []
    assert len(told - secrets) >= 6
