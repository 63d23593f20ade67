"""`StateTable`: states by key, as rows of a store's database, each with a checksum. For `StateStore` and for pools."""

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from streamrnn.errors import InputError, StoreError
from streamrnn.states import schema
from streamrnn.states.database import Database
from streamrnn.states.keys import Key, check_keys

_CHECKSUM = 16  # bytes
_AT_ONCE = 500  # keys of one query, or rows of one insert

#: A file of at most so many bytes is checked when it is opened, in about half a second. A larger one is checked before the
#: first answer that depends on it: that a key is not there, how many there are, or which.
CHECKED_AT_OPEN = 16 << 20


class StateTable:
    """States by key, little-endian in the model's dtype, without the frame of a snapshot.

    database     the open file
    path         of the file, for messages
    fingerprint  of the model whose states these are; None before the first state or pool
    """

    def __init__(self, database: Database, path: str) -> None:
        self._database = database
        self.path = path
        self._is_whole = False  # whether it has been seen that no row is missing
        if os.path.getsize(path) <= CHECKED_AT_OPEN:
            self._check_whole()
        self.fingerprint: str | None = self._about("fingerprint")

    @property
    def note(self) -> str | None:
        """The last note."""
        return self._about("note")

    def bind(self, fingerprint: str, whose: str) -> None:
        """Bind the store to a model, which `whose` names. Raises StoreError if it is bound to another one."""
        if self.fingerprint is None:
            if self._about("fingerprint") is None:
                self._database.write(lambda cursor: schema.set_about(cursor, "fingerprint", fingerprint))
            self.fingerprint = self._about("fingerprint")
        owner = self.fingerprint or ""
        if fingerprint != owner:
            remedy = "use that model, or another file" if len(self) else "it has none yet, so remove it, or name another file"
            raise StoreError(
                f"{whose} has the fingerprint {fingerprint[:12]}…, but {self.path} is for states of model {owner[:12]}…; "
                f"{remedy}"
            )

    def load(self, keys: Sequence[Key]) -> list[bytes | None]:
        """The state of each key; None for a key that is not there. Raises InputError for a bad key, StoreError for damage."""
        rows = self._rows(keys)
        return [self._state_of(key, rows[key]) if key in rows else None for key in keys]

    def save(self, states: Iterable[tuple[Key, bytes]], note: str | None = None) -> None:
        """Save states and a note in one transaction. Raises InputError for a bad note, StoreError; then nothing is saved."""
        if note is not None:
            _check_note(note)

        def change(cursor: sqlite3.Cursor) -> None:
            rows = ((key, self._with_checksum(key, state)) for key, state in states)
            while part := list(islice(rows, _AT_ONCE)):  # one statement for all: each one waits for the GIL at its end
                marks = ",".join(["(?, ?)"] * len(part))
                insert = f"INSERT INTO streams VALUES {marks} ON CONFLICT (key) DO UPDATE SET state = excluded.state"
                cursor.execute(insert, list(chain.from_iterable(part)))
            if note is not None:
                schema.set_about(cursor, "note", note)

        self._database.write(change)

    def remove(self, keys: Iterable[Key]) -> None:
        """Remove keys in one transaction. Raises StoreError; then nothing is removed."""
        rows = [(key,) for key in keys]

        def change(cursor: sqlite3.Cursor) -> None:
            cursor.executemany("DELETE FROM streams WHERE key = ?", rows)
            if cursor.rowcount < len(rows) and not self._is_whole:
                schema.check_whole(cursor, self.path)

        self._database.write(change)

    def holding(self, keys: Sequence[Key]) -> set[Key]:
        """Those of the keys that are there. Raises InputError for a key that a store cannot hold."""
        return set(self._rows(keys))

    def __len__(self) -> int:
        self._check_whole()
        return self._database.read(lambda cursor: int(cursor.execute("SELECT count(*) FROM streams").fetchone()[0]))

    def __iter__(self) -> Iterator[Key]:
        """The keys, oldest first, a query at a time: memory use does not grow, and the table may change meanwhile."""
        self._check_whole()
        last = 0
        while rows := self._rows_after(last):
            yield from (key for _, key in rows)
            last = rows[-1][0]

    def _rows_after(self, last: int) -> list[tuple[int, Key]]:
        """Row numbers and keys of the next rows."""
        query = "SELECT rowid, key FROM streams WHERE rowid > ? ORDER BY rowid LIMIT ?"
        return self._database.read(lambda cursor: cursor.execute(query, (last, _AT_ONCE)).fetchall())

    def _check_whole(self) -> None:
        """Raise StoreError if a row is missing or in a wrong position. Looks at the whole file, once."""
        if not self._is_whole:
            self._database.read(lambda cursor: schema.check_whole(cursor, self.path))
            self._is_whole = True

    def _about(self, name: str) -> str | None:
        return self._database.read(lambda cursor: schema.about(cursor, self.path)).get(name)

    def _rows(self, keys: Sequence[Key]) -> dict[Key, Any]:
        """key -> row, not checked yet, of those keys that are there. Raises InputError for a key that a store cannot hold."""
        check_keys(keys)
        rows: dict[Key, Any] = {}

        def query(cursor: sqlite3.Cursor) -> None:
            for begin in range(0, len(keys), _AT_ONCE):
                part = keys[begin : begin + _AT_ONCE]
                marks = ",".join("?" * len(part))
                rows.update(cursor.execute(f"SELECT key, state FROM streams WHERE key IN ({marks})", part))

        self._database.read(query)
        if len(rows) < len(keys):
            self._check_whole()
        return rows

    def _with_checksum(self, key: Key, state: bytes) -> bytes:
        """A row: the state, and 16 bytes of the SHA-256 of model, key and state."""
        return state + hashlib.sha256(b"%a%a%b" % (self.fingerprint, key, state)).digest()[:_CHECKSUM]

    def _state_of(self, key: Key, row: Any) -> bytes:
        """The state in a row. Raises StoreError if the row has been altered."""
        state = row[:-_CHECKSUM] if isinstance(row, bytes) else b""
        if self._with_checksum(key, state) != row:
            raise StoreError(
                f"{self.path}: the state of key {key!r} is damaged; replace the file with a backup, or delete the key, which "
                "begins a new signal"
            )
        return state


def _check_note(note: object) -> None:
    """Raise InputError unless a store can hold the note."""
    try:
        if not isinstance(note, str):
            raise TypeError(f"{type(note).__name__} is not a str")
        note.encode()
    except (TypeError, UnicodeEncodeError) as error:
        raise InputError(f"a note cannot be saved ({error}); give a str that UTF-8 can encode") from None
