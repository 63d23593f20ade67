"""The SQLite file of a `StateStore`. One process may open it at a time. Its failures are StoreErrors."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes import py_object, pythonapi
from weakref import WeakSet

from streamrnn.errors import StoreError

FORMAT = 1
_APPLICATION = 0x53524E4E  # "SRNN"
_TIMEOUT = 1.0  # seconds, for another process that is just about to close the file
_SCHEMA = (
    "CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE streams (key UNIQUE NOT NULL, state BLOB NOT NULL)",  # key has no type, so that 1 and '1' are different
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)
_EXPLAINED = {
    sqlite3.SQLITE_BUSY: "in use by another process or another StateStore; one process may open it at a time: close it there",
    sqlite3.SQLITE_READONLY: "cannot be written; change its permissions, or choose another path",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened for writing; change its permissions, or choose another path",
    sqlite3.SQLITE_FULL: "the disk is full; make room; committed states are safe",
    sqlite3.SQLITE_IOERR: "cannot be read or written; check the disk; committed states are safe",
    sqlite3.SQLITE_NOTADB: "not a state store; choose another file, or a new one",
    sqlite3.SQLITE_CORRUPT: "damaged; replace it with a backup, or begin a new store",
}

_opened: "WeakSet[Database]" = WeakSet()


class Database:
    """A connection that all threads of the process that opened it may use.

    The file has a write-ahead log: after any crash, each transaction is in it as a whole or not at all.

    path  of the file
    sync  whether a commit waits for the disk
    """

    def __init__(self, path: str, sync: bool) -> None:
        self._path, self._sync = path, sync
        self._lock = threading.RLock()
        self._process = os.getpid()
        with self._explained():
            self._connection: sqlite3.Connection | None = sqlite3.connect(
                path, timeout=_TIMEOUT, isolation_level=None, check_same_thread=False
            )
        _opened.add(self)
        try:
            with self._explained():
                self._begin(self._connection)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, as a context. Raises StoreError if it fails, is closed, or belongs to another process."""
        if os.getpid() != self._process:
            raise StoreError(
                f"{self._path}: was opened before a fork, by the parent process; open the store again in this process"
            )
        with self._lock, self._explained():
            if self._connection is None:
                raise StoreError(f"{self._path}: this store is closed; open it again")
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, as a context. It is committed as a whole; if anything raises, it is undone."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file. Does nothing the second time, or in a fork."""
        if os.getpid() == self._process:
            with self._lock, self._explained():
                connection, self._connection = self._connection, None
                if connection is not None:
                    connection.close()

    def abandon(self) -> None:
        """In a fork: never close the connection, since that would change the file, which the parent still uses."""
        pythonapi.Py_IncRef(py_object(self._connection))

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Take the file for this process. A file that is not a store is not changed."""
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        (kind,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        new = not (kind or version or n_tables)
        if not new and kind != _APPLICATION:
            raise StoreError(f"{self._path}: a database of another program; choose another file, or a new one")
        if not new and version != FORMAT:
            raise StoreError(f"{self._path}: format {version}, but this version of streamrnn reads {FORMAT}; upgrade streamrnn")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._sync else 'NORMAL'}")
        with self.writing():
            for statement in _SCHEMA if new else ():
                connection.execute(statement)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            raise StoreError(f"{self._path}: {_EXPLAINED.get(code, 'damaged, or cannot be used')} ({error})") from error


def _abandon_all() -> None:
    for database in _opened:
        with suppress(Exception):
            database.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
