"""The SQLite file of a `StateStore`. One process may open it at a time. Its failures are StoreErrors."""

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from ctypes import py_object, pythonapi
from typing import Any, TypeVar
from weakref import WeakSet

from streamrnn.errors import StoreError
from streamrnn.states.schema import bring_up_to_date, damaged, format_of

_TIMEOUT = 1.0  # seconds, for another process that is just about to close the file
_EXPLAINED = {
    sqlite3.SQLITE_BUSY: "in use by another process or another StateStore; one process may open it at a time: close it there",
    sqlite3.SQLITE_READONLY: "cannot be written; change its permissions, or choose another path",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened for writing; change its permissions, or choose another path",
    sqlite3.SQLITE_FULL: "the disk is full; make room; committed states are safe",
    sqlite3.SQLITE_IOERR: "cannot be read or written; check the disk; committed states are safe",
    sqlite3.SQLITE_NOTADB: "not a state store; choose another file, or a new one",
}

_Answer = TypeVar("_Answer")
_opened: "WeakSet[Database]" = WeakSet()


class Database:
    """A connection that all threads of the process that opened it may use.

    The file has a write-ahead log: after any crash, each transaction is in it as a whole or not at all.

    Ctrl-C may come between any two lines, also in a context manager written in Python or in an `except` clause. So the lock is
    one of C, which `with` takes and releases in one go, and a transaction that was left open is undone by the next call.

    path  of the file
    sync  whether a commit waits for the disk
    """

    def __init__(self, path: str, sync: bool) -> None:
        self._path, self._sync = path, sync
        self._lock: Any = threading.RLock()
        self._process = os.getpid()
        self._is_closed = False
        self._connection: sqlite3.Connection | None = None
        self._cursor: sqlite3.Cursor | None = None  # a single one: each query ends the one before, be it interrupted
        _opened.add(self)
        try:
            self._connection = sqlite3.connect(path, timeout=_TIMEOUT, isolation_level=None, check_same_thread=False)
            self._cursor = self._connection.cursor()
            version = self.read(self._take_file)
            self.write(lambda cursor: bring_up_to_date(cursor, version))
        except sqlite3.Error as error:
            raise self._explained(error) from error
        except BaseException:
            self.close()
            raise

    @property
    def is_open(self) -> bool:
        """Whether this process can use the file."""
        return not self._is_closed and os.getpid() == self._process

    def read(self, query: Callable[[sqlite3.Cursor], _Answer]) -> _Answer:
        """The answer of a query. Raises StoreError if it fails, or the file is closed or belongs to another process."""
        if os.getpid() != self._process:
            raise StoreError(
                f"{self._path}: was opened before a fork, by the parent process; open the store again in this process"
            )
        self._check_not_within_a_call()
        with self._lock:
            if self._is_closed or self._connection is None or self._cursor is None:
                raise StoreError(f"{self._path}: this store is closed; open it again")
            try:
                if self._connection.in_transaction:
                    self._connection.rollback()
                return query(self._cursor)
            except (sqlite3.Error, UnicodeDecodeError) as error:
                raise self._explained(error) from error

    def write(self, change: Callable[[sqlite3.Cursor], object]) -> None:
        """Make a change in one transaction. If anything raises, Ctrl-C too, the change is made as a whole or not at all."""

        def transaction(cursor: sqlite3.Cursor) -> None:
            cursor.execute("BEGIN IMMEDIATE")
            change(cursor)
            cursor.execute("COMMIT")

        self.read(transaction)

    def close(self) -> None:
        """Close the file. Does nothing the second time, or in a fork."""
        if os.getpid() == self._process:
            self._check_not_within_a_call()
            with self._lock:
                self._is_closed = True
                try:
                    if self._cursor is not None:
                        self._cursor.close()  # an interrupted query would keep the file open
                        self._cursor = None
                    if self._connection is not None:
                        self._connection.close()
                except sqlite3.Error as error:
                    raise self._explained(error) from error

    def abandon(self) -> None:
        """In a fork: never close the connection, since that would change the file, which the parent still uses."""
        pythonapi.Py_IncRef(py_object(self._connection))

    def _take_file(self, cursor: sqlite3.Cursor) -> int:
        """Take the file for this process; its format. A file that is not a store is not changed."""
        cursor.execute("PRAGMA locking_mode = EXCLUSIVE")
        version = format_of(cursor, self._path)
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {'FULL' if self._sync else 'NORMAL'}")
        return version

    def _check_not_within_a_call(self) -> None:
        """Raise StoreError in a signal handler or finalizer that runs in the middle of another call of this thread."""
        if self._lock._is_owned():
            raise StoreError(
                f"{self._path}: this thread is already in a call of this store, which a signal handler or a finalizer has "
                "interrupted; set a flag there, and use the store afterwards"
            )

    def _explained(self, error: Exception) -> StoreError:
        """What an error of SQLite means."""
        explained = _EXPLAINED.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        return StoreError(f"{self._path}: {explained} ({error})") if explained else damaged(self._path, str(error))


def _abandon_all() -> None:
    for database in _opened:
        with suppress(Exception):
            database.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
