"""`ledger.env` as docs/how-to/deploy.md writes it: a shell, systemd and Compose read the same settings in it."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from dotenv import dotenv_values

from ledger.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "deploy.md").read_text()
# What systemd reads files of variables with, for a user's session.
GENERATOR = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")
SUPPLIER = {"name": "O'Neil & Sons #1", "country": "IE", "note": "100 % of $HOME"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The lines of the page, and a setting with everything in it that two programs may read differently."""
    (written,) = re.findall(r"ledger\.env <<'END'\n(.*?)END\n", PAGE, re.DOTALL)
    (example,) = re.findall(r"`(LEDGER_TAX_PERCENT=.*?)`", PAGE)
    supplier = json.dumps(SUPPLIER).replace("'", r"\u0027").replace("$", r"\u0024")
    folder = tmp_path / "environment.d"
    folder.mkdir()
    (folder / "ledger.conf").write_text(f"{written}{example}\nLEDGER_SUPPLIER='{supplier}'\n")
    return folder / "ledger.conf"


def shell(file: Path) -> dict[str, str]:
    said = subprocess.run(["sh", "-c", f"set -a; . {file}; env -0"], capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in said.split("\0") if line)


def systemd(file: Path) -> dict[str, str]:
    if not GENERATOR.exists():
        pytest.skip("systemd is not installed")
    environment = {**os.environ, "XDG_CONFIG_HOME": str(file.parents[1])}
    said = subprocess.run([GENERATOR], env=environment, capture_output=True, text=True, check=True).stdout
    return shell_words(said, file.parent)


def shell_words(said: str, folder: Path) -> dict[str, str]:
    """The generator answers as a shell reads it."""
    (folder / "said").write_text(said)
    return shell(folder / "said")


def compose(file: Path) -> dict[str, str]:
    return {name: value or "" for name, value in dotenv_values(file).items()}


@pytest.mark.parametrize("read", [shell, systemd, compose])
def test_each_reader_finds_the_same_settings(
    file: Path, read: Callable[[Path], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in read(file).items():
        if name.startswith("LEDGER_"):
            monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.kafka == "kafka-1:9092,kafka-2:9092"
    assert settings.embed_origins == ["https://router.example"]
    assert settings.tax_percent == {"IN": "18"}
    assert settings.supplier.name == SUPPLIER["name"]
    assert settings.supplier.note == SUPPLIER["note"]
