"""`StateTable`: states by key, as rows of a store's database, each with a checksum. For `StateStore` and for pools."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from streamrnn.errors import StoreError
from streamrnn.states.database import Database
from streamrnn.states.keys import Key, check_keys

_CHECKSUM = 16  # bytes
_AT_ONCE = 500  # keys of one query


class StateTable:
    """States by key, little-endian in the model's dtype, without the frame of a snapshot.

    database     the open file
    path         of the file, for messages
    fingerprint  of the model whose states these are; None before the first state or pool
    """

    def __init__(self, database: Database, path: str) -> None:
        self._database = database
        self.path = path
        self.fingerprint: str | None = self._about("fingerprint")

    @property
    def note(self) -> str | None:
        """The last note."""
        return self._about("note")

    def bind(self, fingerprint: str, whose: str) -> None:
        """Bind the store to a model, which `whose` names. Raises StoreError if it is bound to another one."""
        if self.fingerprint is None:
            with self._database.writing() as connection:
                connection.execute("INSERT OR IGNORE INTO about VALUES ('fingerprint', ?)", (fingerprint,))
            self.fingerprint = self._about("fingerprint")
        owner = self.fingerprint or ""
        if fingerprint != owner:
            raise StoreError(
                f"{whose} has the fingerprint {fingerprint[:12]}…, but {self.path} holds states of model {owner[:12]}…; "
                "use that model, or another file"
            )

    def load(self, keys: Sequence[Key]) -> list[bytes | None]:
        """The state of each key; None for a key that is not there. Raises InputError for a bad key, StoreError for damage."""
        rows = self._rows(keys)
        return [self._state_of(key, rows[key]) if key in rows else None for key in keys]

    def save(self, states: Iterable[tuple[Key, bytes]], note: str | None = None) -> None:
        """Save states and a note in one transaction. Raises StoreError; then nothing is saved."""
        with self._database.writing() as connection:
            connection.executemany(
                "INSERT INTO streams VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET state = excluded.state",
                ((key, self._with_checksum(key, state)) for key, state in states),
            )
            if note is not None:
                connection.execute("INSERT OR REPLACE INTO about VALUES ('note', ?)", (note,))

    def remove(self, keys: Iterable[Key]) -> None:
        """Remove keys in one transaction. Raises StoreError; then nothing is removed."""
        with self._database.writing() as connection:
            connection.executemany("DELETE FROM streams WHERE key = ?", ((key,) for key in keys))

    def holding(self, keys: Sequence[Key]) -> set[Key]:
        """Those of the keys that are there. Raises InputError for a key that a store cannot hold."""
        return set(self._rows(keys))

    def __len__(self) -> int:
        with self._database.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM streams").fetchone()[0])

    def __iter__(self) -> Iterator[Key]:
        """The keys, oldest first, a query at a time: memory use does not grow, and the table may change meanwhile."""
        last = 0
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(
                    "SELECT rowid, key FROM streams WHERE rowid > ? ORDER BY rowid LIMIT ?", (last, _AT_ONCE)
                ).fetchall()
            if not rows:
                return
            yield from (key for _, key in rows)
            last = rows[-1][0]

    def _about(self, name: str) -> str | None:
        with self._database.reading() as connection:
            row = connection.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _rows(self, keys: Sequence[Key]) -> dict[Key, Any]:
        """key -> row, not checked yet, of those keys that are there. Raises InputError for a key that a store cannot hold."""
        check_keys(keys)
        rows: dict[Key, Any] = {}
        with self._database.reading() as connection:
            for begin in range(0, len(keys), _AT_ONCE):
                part = keys[begin : begin + _AT_ONCE]
                marks = ",".join("?" * len(part))
                rows.update(connection.execute(f"SELECT key, state FROM streams WHERE key IN ({marks})", part))
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
