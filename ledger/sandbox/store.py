"""What the sandbox knows: JSON documents in SQLite, in memory or in a file that outlives a SIGKILL.

A call of a provider's API is one transaction; what it changed, its idempotent answer and the webhooks that follow from
it are there together or not at all.
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
    """Documents by kind ("stripe.customer") and id, in the order in which they were made. One thread uses it."""

    def __init__(self, path: Path | None = None) -> None:
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")  # safe against a SIGKILL, which is what is promised
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is put within is kept as a whole; after an exception, nothing of it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def put(self, kind: str, document: Document) -> Document:
        """Keeps a document under its own `id`, in the place of the one that was there; returns it."""
        row = {"kind": kind, "id": document["id"], "body": json.dumps(document)}
        self._connection.execute(_PUT, row)
        return document

    def get(self, kind: str, id_: str) -> Document | None:
        """A copy of the document, to change and put again."""
        row = self._connection.execute("SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, id_)).fetchone()
        return json.loads(row[0]) if row else None

    def find(self, kind: str, **equal: str | int | bool | None) -> Iterator[Document]:
        """Copies of those whose fields equal these, newest first."""
        rows = self._connection.execute(_FIND, {"kind": kind, "equal": json.dumps(equal)}).fetchall()
        return (json.loads(body) for (body,) in rows)

    def due(self, kind: str, moment: float, count: int) -> list[Document]:
        """Copies of the oldest ones whose time, in their field `due`, has come."""
        rows = self._connection.execute(_DUE, {"kind": kind, "moment": moment, "count": count}).fetchall()
        return [json.loads(body) for (body,) in rows]

    def remove(self, kind: str, id_: str) -> None:
        """Forgets a document; harmless when there is none."""
        self._connection.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, id_))

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()
