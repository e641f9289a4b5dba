"""Errors of the embedded stack. Each message says what to do, if something can be done."""

from pathlib import Path


class EmbeddedStackError(Exception):
    """The embedded stack cannot do what was asked."""


class FolderInUse(EmbeddedStackError):
    """Another living process holds the folder."""

    def __init__(self, folder: Path, owner: int) -> None:
        self.folder, self.owner = folder, owner
        super().__init__(
            f"{folder} is in use by process {owner}. Stop that one, or give this one another folder (LEDGER_HOME)."
        )


class PortTaken(EmbeddedStackError):
    """Another process uses the port that was asked for."""

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__(f"Port {port} on 127.0.0.1 is taken. Leave the port out to get a free one.")


class DidNotStart(EmbeddedStackError):
    """A server ended or did not answer while it was starting."""

    def __init__(self, name: str, what: str, log: Path) -> None:
        self.log = log
        super().__init__(f"{name} {what}. The end of {log}:\n{tail(log)}")


class JarsUnavailable(EmbeddedStackError):
    """Kafka's jars could not be downloaded, or are not the ones that were pinned."""


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, or why there are none."""
    if not log.exists():
        return "  (no log was written)"
    found = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(f"  {line}" for line in found) or "  (the log is empty)"
