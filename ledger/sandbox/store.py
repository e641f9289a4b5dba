"""The sandbox's state: JSON documents in SQLite, in memory or in a file that survives a SIGKILL.

Each call of a provider's API is one transaction: its changes, its stored response and its webhooks are kept together or
not at all.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind   TEXT NOT NULL,
    id     TEXT NOT NULL,
    body   TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX IF NOT EXISTS documents_by_age ON documents (kind, number);
"""
_PUT = """
INSERT INTO documents (kind, id, body) VALUES (:kind, :id, :body)
ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body
"""
_FIND = """
SELECT body FROM documents AS each
WHERE kind = :kind
  AND NOT EXISTS (SELECT 1 FROM json_each(:equal) AS wanted
                  WHERE json_extract(each.body, '$.' || wanted.key) IS NOT wanted.value)
ORDER BY number DESC
"""
_DUE = """
SELECT body FROM documents
WHERE kind = :kind AND json_extract(body, '$.due') <= :moment
ORDER BY number
LIMIT :count
"""


class Store:
    """Documents by kind (such as "stripe.customer") and id, in the order in which they were made. For one thread."""

    def __init__(self, path: Path | None = None) -> None:
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")  # this survives a SIGKILL, if not a power cut
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits what the block puts; after an exception, nothing of it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def put(self, kind: str, document: Document) -> Document:
        """Stores a document under its own `id`, replacing an earlier one; returns it."""
        row = {"kind": kind, "id": document["id"], "body": json.dumps(document)}
        self._connection.execute(_PUT, row)
        return document

    def get(self, kind: str, id_: str) -> Document | None:
        """A copy of a document, to change and `put` again; None if there is none."""
        row = self._connection.execute("SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, id_)).fetchone()
        return json.loads(row[0]) if row else None

    def find(self, kind: str, **equal: str | int | bool | None) -> Iterator[Document]:
        """Copies of the documents whose fields equal these, newest first."""
        rows = self._connection.execute(_FIND, {"kind": kind, "equal": json.dumps(equal)}).fetchall()
        return (json.loads(body) for (body,) in rows)

    def due(self, kind: str, moment: float, count: int) -> list[Document]:
        """Copies of the oldest documents whose field `due` is at or before `moment`, at most `count`."""
        rows = self._connection.execute(_DUE, {"kind": kind, "moment": moment, "count": count}).fetchall()
        return [json.loads(body) for (body,) in rows]

    def remove(self, kind: str, id_: str) -> None:
        """Deletes a document; does nothing if there is none."""
        self._connection.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, id_))

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()
