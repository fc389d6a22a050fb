"""A store in one file: for the processes of one machine, and for the next run.

The file holds cookies, and so nobody but its owner may read it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from scrapy_onecaptcha._twisted import caller_of_this_thread
from scrapy_onecaptcha.stores.base import StoreFault
from scrapy_onecaptcha.stores.rules import Row, Rules
from scrapy_onecaptcha.stores.transactions import TransactionStore
from scrapy_onecaptcha.stores.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_onecaptcha.stores.base import Limits

__all__ = ["SqliteStore"]

_T = TypeVar("_T")

#: Marks a file as a store of ours ("OneC").
APPLICATION_ID = 0x4F6E6543

SCHEMA_VERSION = 2

#: Seconds that a call waits while another process writes.
BUSY_SECONDS = 5.0

_SCHEMA = """
CREATE TABLE entries (
    namespace TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    row TEXT NOT NULL,
    until REAL,
    PRIMARY KEY (namespace, kind, name)
) WITHOUT ROWID;
CREATE INDEX entries_until ON entries (until);
"""


class SqliteRows:
    """Rows in a table, within a transaction.

    Args:
        connection: in a transaction.
        namespace: of the rows that are seen.
        now: the moment of the transaction, in seconds since 1970.
    """

    def __init__(
        self, connection: sqlite3.Connection, namespace: str, now: float
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        connection.execute("DELETE FROM entries WHERE until <= ?", (now,))

    def get(self, kind: str, name: str) -> Row | None:
        """Return a row."""
        found = self._connection.execute(
            "SELECT row FROM entries WHERE namespace = ? AND kind = ? AND name = ?",
            (self._namespace, kind, name),
        ).fetchone()
        return None if found is None else dict(json.loads(found[0]))

    def put(self, kind: str, name: str, row: Row, until: float | None) -> None:
        """Write a row."""
        text = json.dumps(row, separators=(",", ":"))
        self._connection.execute(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)",
            (self._namespace, kind, name, text, until),
        )

    def drop(self, kind: str, name: str) -> None:
        """Delete a row, if there is one."""
        self._connection.execute(
            "DELETE FROM entries WHERE namespace = ? AND kind = ? AND name = ?",
            (self._namespace, kind, name),
        )

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind, sorted."""
        found = self._connection.execute(
            "SELECT name FROM entries WHERE namespace = ? AND kind = ?",
            (self._namespace, kind),
        )
        return sorted(name for (name,) in found)

    def clear(self) -> None:
        """Delete every row."""
        self._connection.execute(
            "DELETE FROM entries WHERE namespace = ?", (self._namespace,)
        )


class SqliteStore(TransactionStore):
    """A store in an SQLite file.

    Args:
        path: of the file, which is made where there is none.
        owner: names the process.
        limits: what may be spent.
        namespace: keeps projects that use one file apart.
        now: returns the seconds since 1970.
        busy_seconds: that a call waits while another process writes.
    """

    def __init__(
        self,
        path: str | Path,
        owner: str,
        limits: Limits | None = None,
        *,
        namespace: str = "",
        now: Callable[[], float] = time.time,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        super().__init__(owner, limits)
        self._path = Path(path)
        self._namespace = namespace
        self._now = now
        self._busy_seconds = busy_seconds
        self._worker: Worker | None = None
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None

    def check(self) -> None:
        """See whether the file can be used, or made.

        Raises:
            StoreFault: it cannot, with what to do about it.
        """
        self._transact(lambda _: None)
        self._disconnect()

    async def open(self) -> None:
        """Open the file, or make it.

        Raises:
            StoreFault: it cannot be used, with what to do about it.
        """
        await self._run(lambda _: None)

    async def close(self) -> None:
        """Close the file."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.call(self._disconnect)
            worker.close()

    async def _run(self, call: Callable[[Rules], _T]) -> _T:
        if self._worker is None:
            self._worker = Worker("onecaptcha-store", caller_of_this_thread())
        return await self._worker.call(lambda: self._transact(call))

    # In the thread

    def _transact(self, call: Callable[[Rules], _T]) -> _T:
        try:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            now = self._now()
            rows = SqliteRows(connection, self._namespace, now)
            outcome = call(Rules(rows, now, self._owner, self._limits))
            connection.execute("COMMIT")
        except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as error:
            self._disconnect()  # rolls back; the next call finds what is there then
            raise StoreFault(f"{self._path}: {_reason(error)}") from None
        except StoreFault:
            self._disconnect()
            raise
        return outcome

    def _connected(self) -> sqlite3.Connection:
        # A file that was deleted or replaced would be shared with nobody any more.
        if self._connection is not None and self._inode != _inode(self._path):
            self._disconnect()
        if self._connection is None:
            _make_private(self._path)
            self._inode = _inode(self._path)
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Set *connection* up, and the file where it is new."""
        connection.execute("PRAGMA secure_delete = ON")
        # A counted task must outlive a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreFault(
                f"{self._path}: this file system has no shared memory (a network "
                "share?); put the file on a local disk, or use Redis"
            )
        connection.execute("BEGIN IMMEDIATE")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if _is_empty(connection):
            for statement in _SCHEMA.strip().split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif application != APPLICATION_ID:
            raise StoreFault(f"{self._path}: not a store of scrapy-onecaptcha")
        elif version != SCHEMA_VERSION:
            raise StoreFault(
                f"{self._path}: written by another version of scrapy-onecaptcha "
                f"(schema {version}, not {SCHEMA_VERSION}); delete it or use another"
            )
        connection.execute("COMMIT")

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):  # whatever ails it, it is let go of
                connection.close()


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, sqlite3.Error):
        return str(error)
    return "it holds what no store of scrapy-onecaptcha writes"


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _make_private(path: Path) -> None:
    """Make the file where there is none; refuse one that others can read."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        mode = os.fstat(descriptor).st_mode
    finally:
        os.close(descriptor)
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StoreFault(
            f"{path} holds cookies and can be read by other users of this machine; "
            f"run: chmod 600 {path}"
        )
