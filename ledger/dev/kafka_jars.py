"""Kafka's jars: pinned by SHA-256 in `kafka_jars.json`, downloaded once per user, then found without the network.

`python -m ledger.dev.kafka_jars` resolves `roots` of that file again and pins the result. The cache (`$LEDGER_CACHE`,
else the platform's) is shared between clones and stacks. A file appears in it only whole and verified, and the manifest
only when all files are there. First starts at the same time take turns.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ledger.dev.download_progress import downloading
from ledger.dev.errors import JarsUnavailable

PINS = Path(__file__).with_name("kafka_jars.json")
ATTEMPTS = 3
PARALLEL_DOWNLOADS = 4
TIMEOUT_SECONDS = 30

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Jar:
    """One pinned file: its Maven coordinate, and the size and hash that it must have."""

    coordinate: str
    file: str
    size: int
    sha256: str


def kafka_jars() -> list[Path]:
    """The jars of Kafka's class path. The first call on a machine downloads them."""
    folder = jars_folder()
    jars = [Jar(**jar) for jar in json.loads(PINS.read_bytes())["jars"]]
    if not _complete(folder, jars):
        with exclusive(folder, "downloading"):
            if not _complete(folder, jars):
                _download(folder, jars)
    return [folder / jar.file for jar in jars]


def jars_folder() -> Path:
    """The folder of the pinned jars, and of what is made from them."""
    return cache_folder() / f"kafka-{hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]}"


def cache_folder() -> Path:
    """The folder of this user's downloads."""
    if "LEDGER_CACHE" in os.environ:
        return Path(os.environ["LEDGER_CACHE"]).absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "prepaid-ledger"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prepaid-ledger"


def pin() -> int:
    """Resolves the roots with their dependencies and writes each jar with its hash. Returns how many there are."""
    roots = json.loads(PINS.read_text())["roots"]
    with tempfile.TemporaryDirectory() as repository:
        context = _maven(Path(repository))
        # "!": without it jgo imports each root's dependencyManagement, and Log4j's holds kafka-clients back at 3.8.0.
        wanted = [context.create_dependency(f"{root}!") for root in roots]
        direct, transitive = context.resolver.resolve(wanted)
        jars = [_pinned(dependency.artifact) for dependency in [*direct, *transitive]]
    PINS.write_text(json.dumps({"roots": roots, "jars": [asdict(jar) for jar in jars]}, indent=1) + "\n")
    return len(jars)


def _pinned(artifact: Any) -> Jar:
    path = artifact.resolve()
    coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
    return Jar(coordinate, path.name, path.stat().st_size, _sha256(path))


def _complete(folder: Path, jars: list[Jar]) -> bool:
    manifest = folder / "manifest.json"
    if not manifest.exists() or json.loads(manifest.read_text()) != [jar.file for jar in jars]:
        return False
    return all(_present(folder / jar.file, jar.size) for jar in jars)


def _present(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size


@contextmanager
def exclusive(folder: Path, doing: str) -> Iterator[None]:
    """Lets one process at a time work in the folder; the others print what they wait for.

    Each kind of work has its own lock: the process that prepares Kafka may have to download it first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{doing}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for another process that is {doing} Kafka.", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(folder: Path, jars: list[Jar]) -> None:
    missing = [jar for jar in jars if not _valid(folder / jar.file, jar)]
    total = sum(jar.size for jar in missing)
    staging = folder / "unfinished"
    shutil.rmtree(staging, ignore_errors=True)  # of a download that was killed
    staging.mkdir()
    with (
        downloading("Kafka (only at the first start)", total) as advance,
        ThreadPoolExecutor(PARALLEL_DOWNLOADS) as threads,
    ):
        context = _maven(staging, advance)
        for _ in threads.map(lambda jar: _fetch(context, jar, folder), missing):
            pass  # the first error, or a Ctrl-C, cancels the downloads that have not begun
    (staging / "manifest.json").write_text(json.dumps([jar.file for jar in jars]))
    (staging / "manifest.json").replace(folder / "manifest.json")
    shutil.rmtree(staging)


def _fetch(context: Any, jar: Jar, folder: Path) -> None:
    """Downloads one jar to a staging folder, verifies it, and then moves it to its place."""
    artifact = context.create_dependency(jar.coordinate).artifact
    staged: Path = artifact.cached_path
    for attempt in range(1, ATTEMPTS + 1):
        try:
            artifact.resolve()
            if not _valid(staged, jar):
                raise JarsUnavailable(f"{jar.coordinate} is not the file that {PINS.name} pins.")
            staged.replace(folder / jar.file)
            return
        except (OSError, RuntimeError, JarsUnavailable) as error:  # requests' errors are OSErrors, jgo's RuntimeErrors
            staged.unlink(missing_ok=True)
            if attempt == ATTEMPTS:
                raise JarsUnavailable(f"{jar.coordinate} could not be downloaded: {error}") from error
            time.sleep(attempt)


def _valid(path: Path, jar: Jar) -> bool:
    return _present(path, jar.size) and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _maven(repository: Path, advance: Advance | None = None) -> Any:
    """jgo's downloader, with the mirrors of the user's own jgo configuration."""
    # Imported here, because only a first start needs jgo and its HTTP client.
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def each_file(_name: str, _size: int) -> Iterator[Advance]:
        yield advance or (lambda _bytes: None)

    return MavenContext(
        resolver=PythonResolver(progress_callback=each_file),
        repo_cache=repository,
        remote_repos={"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories},
        timeout=TIMEOUT_SECONDS,
    )


if __name__ == "__main__":
    print(f"{pin()} jars pinned in {PINS.name}")
