"""The systemd units: systemd itself finds no fault, and all are closed off alike."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
EXPOSURE_MAX = 1.5
# Keys that are newer than the oldest systemd that the units are for; it says that it ignores them.
NEWER = re.compile(r"Unknown key (name )?'(RestartSteps|RestartMaxDelaySec)'")

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


def test_there_is_a_unit_for_each_process_that_runs() -> None:
    assert [unit.stem for unit in UNITS] == ["ledger-consume", "ledger-project@", "ledger-serve"]


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_no_fault(unit: Path, tmp_path: Path) -> None:
    installed = _installed(unit, tmp_path)
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", installed], capture_output=True, text=True, check=False
    )
    faults = [line for line in found.stderr.splitlines() if unit.stem.split("@")[0] in line and not NEWER.search(line)]
    assert (found.returncode, faults) == (0, [])


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_calls_it_well_protected(unit: Path, tmp_path: Path) -> None:
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", _installed(unit, tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    exposure = re.search(r"exposure level for .*: ([0-9.]+)", said)
    assert exposure is not None
    assert float(exposure[1]) <= EXPOSURE_MAX


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_what_a_person_has_to_decide_is_not_started_again(unit: Path) -> None:
    from ledger.core.errors import EXIT_CONFIG

    section = _section(unit)
    assert section["RestartPreventExitStatus"] == str(EXIT_CONFIG)
    assert section["Restart"] == "always"


def test_all_are_closed_off_alike() -> None:
    own = {"ExecStart"}
    first, *others = [{key: value for key, value in _section(unit).items() if key not in own} for unit in UNITS]
    assert all(other == first for other in others)


def _installed(unit: Path, folder: Path) -> Path:
    """The unit as it is installed, with this environment's program, and an instance where it is a template."""
    program = Path(sys.executable).parent / "ledger"
    installed = folder / unit.name.replace("@.", "@1.")
    installed.write_text(unit.read_text().replace("/opt/ledger/bin/ledger", str(program)))
    return installed


def _section(unit: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit.read_text())
    return dict(parser["Service"])
