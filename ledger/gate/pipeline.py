"""A connection for statements that are sent thousands of times a second: libpq's pipeline mode, without cursors.

psycopg connects. Left out are its adaptation of parameters and rows, and its registration with the event loop at every
step: they took two thirds of the time of a decision (docs/decisions/0009).
Parameters are texts, and values the bytes of texts. What is asked since the last `commit` is one transaction, which
Postgres ends with it: a pipeline without BEGIN is one until its sync.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import NamedTuple

from psycopg import OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from ledger.postgres.types import AsyncConnection

_PLACEHOLDER = re.compile(rb"%\((\w+)\)s")
_FULL_SECONDS = 0.001  # a pause while the server reads
_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED)

Row = tuple[bytes | None, ...]
Parameters = Mapping[str, str | None]


class Statement(NamedTuple):
    """A statement with `$1` for its first parameter, and the names of its parameters in their order."""

    sql: bytes
    names: tuple[str, ...]

    @classmethod
    def of(cls, sql: bytes) -> "Statement":
        """A statement that names its parameters as psycopg does: `%(name)s`."""
        names = tuple(dict.fromkeys(name.decode() for name in _PLACEHOLDER.findall(sql)))
        return cls(_PLACEHOLDER.sub(lambda found: b"$%d" % (names.index(found[1].decode()) + 1), sql), names)


class Pipeline:
    """One statement at a time. After any error it is unusable: close it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._loop = asyncio.get_running_loop()
        self._names: dict[bytes, bytes] = {}
        self._to_skip = 0  # answers to what was prepared on the way
        self._arrival: asyncio.Future[None] | None = None
        self._lost: OperationalError | None = None
        self._pgconn.enter_pipeline_mode()
        self._socket = self._pgconn.socket
        self._loop.add_reader(self._socket, self._arrived)

    @property
    def lost(self) -> bool:
        """Whether the connection has ended."""
        return self._lost is not None

    async def ask(self, statement: Statement, parameters: Parameters) -> list[Row]:
        """The rows of a statement. Raises psycopg.Error."""
        self._send(statement, parameters)
        self._pgconn.send_flush_request()
        await self._flush()
        return await self._rows()

    async def commit(self) -> None:
        """Ends the transaction. Raises psycopg.Error."""
        self._pgconn.pipeline_sync()
        await self._flush()
        await self._result()

    async def ask_and_commit(self, statement: Statement, parameters: Parameters) -> list[Row]:
        """Both in one round trip. Raises psycopg.Error; then the transaction may or may not be committed."""
        self._send(statement, parameters)
        self._pgconn.pipeline_sync()
        await self._flush()
        rows = await self._rows()
        await self._result()
        return rows

    async def close(self) -> None:
        """Ends the connection, and with it what was not committed."""
        if self._lost is None:
            self._loop.remove_reader(self._socket)
        await self._connection.close()

    def _send(self, statement: Statement, parameters: Parameters) -> None:
        name = self._names.get(statement.sql)
        if name is None:
            name = self._names[statement.sql] = b"s%d" % len(self._names)
            self._pgconn.send_prepare(name, statement.sql)
            self._to_skip += 1
        values = [None if (text := parameters[each]) is None else text.encode() for each in statement.names]
        self._pgconn.send_query_prepared(name, values)

    async def _rows(self) -> list[Row]:
        while self._to_skip:
            await self._result()
            self._to_skip -= 1
        result = await self._result()
        columns = range(result.nfields)
        return [tuple([result.get_value(row, column) for column in columns]) for row in range(result.ntuples)]

    async def _result(self) -> PGresult:
        """The next one; each statement's results end with a None."""
        for _ in range(2):
            while self._pgconn.is_busy():
                await self._arriving()
            result = self._pgconn.get_result()
            if result is None:
                continue
            if result.status in _FAILED:
                raise error_from_result(result)
            return result
        raise OperationalError("the server owes no answer")

    async def _flush(self) -> None:
        while self._pgconn.flush():
            self._pgconn.consume_input()  # a server that can't send doesn't read
            await asyncio.sleep(_FULL_SECONDS)

    async def _arriving(self) -> None:
        if self._lost is not None:
            raise self._lost
        self._arrival = self._loop.create_future()
        try:
            await self._arrival
        finally:
            self._arrival = None

    def _arrived(self) -> None:
        """Called by the event loop when there is something to read, also the end of the connection."""
        try:
            self._pgconn.consume_input()
        except OperationalError as lost:
            self._loop.remove_reader(self._socket)
            self._lost = lost
        if self._arrival is not None and not self._arrival.done():
            if self._lost is None:
                self._arrival.set_result(None)
            else:
                self._arrival.set_exception(self._lost)
