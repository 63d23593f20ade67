"""The SQLite file of a `StateStore`: of our own kind or new, with one owner at a time. Its failures are StoreErrors."""

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
_PATIENCE = 1.0  # seconds, for an owner that is just ending
_SCHEMA = (
    "CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE streams (key UNIQUE NOT NULL, state BLOB NOT NULL)",  # key: no type, so that 1 and '1' stay apart
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)
_EXPLAINED = {
    sqlite3.SQLITE_BUSY: "in use by another process or another StateStore; a store has one owner at a time, close it there",
    sqlite3.SQLITE_READONLY: "cannot be written; change its permissions, or choose another place",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened for writing; change its permissions, or choose another place",
    sqlite3.SQLITE_FULL: "no room is left; make room, what has been committed is safe",
    sqlite3.SQLITE_IOERR: "cannot be read or written; look at the disk, what has been committed is safe",
    sqlite3.SQLITE_NOTADB: "not a state store; name another file, or a new one",
    sqlite3.SQLITE_CORRUPT: "damaged; put a copy in its place, or begin a new store",
}

_opened: "WeakSet[Database]" = WeakSet()


class Database:
    """A connection for any thread of the process that opened it.

    It has a write-ahead log: after whatever end, what a transaction has written is there as a whole or not at all.

    sync  whether a commit waits for the disk
    """

    def __init__(self, path: str, sync: bool) -> None:
        self._path, self._sync = path, sync
        self._lock = threading.RLock()
        self._process = os.getpid()
        with self._explained():
            self._connection: sqlite3.Connection | None = sqlite3.connect(
                path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
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
        """The connection, for as long as the context lasts. Raises StoreError where it fails, or cannot be used here."""
        if os.getpid() != self._process:
            raise StoreError(f"{self._path}: was opened by another process, of which this is a fork; open the store anew here")
        with self._lock, self._explained():
            if self._connection is None:
                raise StoreError(f"{self._path}: this store is closed; open it anew")
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all that is done in it is committed, or, where anything raises, nothing."""
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
        """Give the file free. A second time, or in a fork, that is nothing."""
        if os.getpid() == self._process:
            with self._lock, self._explained():
                connection, self._connection = self._connection, None
                if connection is not None:
                    connection.close()

    def abandon(self) -> None:
        """In a fork: never close the connection, which would act on the file of the process that goes on with it."""
        pythonapi.Py_IncRef(py_object(self._connection))

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Own the file. What is not ours is not touched."""
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        (kind,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        new = not (kind or version or n_tables)
        if not new and kind != _APPLICATION:
            raise StoreError(f"{self._path}: a database of another program; name another file, or a new one")
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
