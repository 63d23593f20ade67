"""`StateStore`: the states of many streams by key, in a file that a crash cannot spoil."""

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from weakref import ReferenceType, ref

from streamrnn.errors import InputError, StoreError, StreamRNNError
from streamrnn.states import snapshot

Key = str | int | bytes

_CHECK = 16  # bytes
_AT_ONCE = 500  # keys that a query asks for


class StateStore:
    """Snapshots by key, of any number of streams of one model, in one SQLite file.

    Every call that writes is one transaction. After a crash, be it `kill -9` or a power failure, each key has what was
    committed last, or, where the crash came in the middle of a commit, before. A key is a str, an int of 64 bits, or bytes;
    1 and "1" are two. The first snapshot, or the first pool, binds the store to its model. A store has one owner at a time,
    whose threads may share it; a fork has to open it anew.

    path  of the file, which is made where there is none; SQLite keeps a second one, with "-wal" behind its name, beside it
    sync  whether a commit waits for the disk; else it is faster, survives the end of the process all the same, and a power
          failure may take back the last commits, each as a whole

    Raises StoreError for a file that is not a store, of a later version, damaged or in use, or a place that cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], sync: bool = True) -> None:
        from streamrnn.states.database import Database  # here: who keeps no states needs no SQLite

        try:
            self._path = os.path.abspath(os.fsdecode(path))
            if "\0" in self._path:
                raise ValueError("it holds a zero byte")
        except (TypeError, ValueError) as error:
            raise StoreError(f"{path!r}: not the path of a file ({error})") from None
        self._database = Database(self._path, sync)
        self._user: ReferenceType[object] | None = None
        try:
            self._fingerprint: str | None = self._about("fingerprint")
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> str:
        """Where the file is."""
        return self._path

    @property
    def fingerprint(self) -> str | None:
        """Of the model whose states these are (`Model.fingerprint`); None before the first."""
        return self._fingerprint

    @property
    def note(self) -> str | None:
        """What was last given as a note."""
        return self._about("note")

    def get(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """The snapshots of some keys, those of `Stream.snapshot`; a key that there is not is left out.

        Raises InputError for what is no key, StoreError for a row that is damaged.
        """
        wanted = list(keys)
        states = zip(wanted, self.load(wanted), strict=True)
        return {key: snapshot.pack(self._fingerprint or "", state) for key, state in states if state is not None}

    def put(self, snapshots: Mapping[Key, bytes], note: str | None = None) -> None:
        """Keep snapshots, each in place of the one that its key had, in one transaction.

        note  a text to keep in the same transaction, such as how far the input has been read

        Raises InputError for what is no key, SnapshotError for what is no snapshot of this model, StoreError while a pool uses
        the store, and where it cannot be written.
        """
        self._check_unused("put")
        _check_keys(snapshots)
        unpacked = {key: snapshot.unpack(data) for key, data in snapshots.items()}
        for key, (owner, _) in unpacked.items():
            self._bind(owner, f"put: the snapshot of {key!r}")
        self.save(((key, state) for key, (_, state) in unpacked.items()), note)

    def delete(self, keys: Iterable[Key]) -> None:
        """Forget some keys, in one transaction. Raises as `put` does."""
        self._check_unused("delete")
        keys = list(keys)
        _check_keys(keys)
        self.remove(keys)

    def __contains__(self, key: Key) -> bool:
        return bool(self._rows([key]))

    def __len__(self) -> int:
        with self._database.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM streams").fetchone()[0])

    def __iter__(self) -> Iterator[Key]:
        """The keys, in the order in which they came. Takes no more memory for many; the store may change meanwhile."""
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

    def close(self) -> None:
        """Give the file free. A pool that uses the store must have been flushed."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<StateStore {self._path}>"

    def __reduce__(self) -> Any:
        raise StreamRNNError("a StateStore cannot be pickled or copied; open its file where it is needed")

    # For pools: states as they are, little-endian in the model's type, without the frame of a snapshot.

    def lend(self, user: object, fingerprint: str) -> None:
        """Serve a pool, as long as it lives. Raises StoreError for another model, and where another pool has the store."""
        if self._used:
            raise StoreError(f"StreamPool: {self._path} serves another pool; give each its own store")
        self._bind(fingerprint, "StreamPool: the model")
        self._user = ref(user)

    def load(self, keys: Sequence[Key]) -> list[bytes | None]:
        """The state of each key; None where there is none. Raises as `get` does."""
        rows = self._rows(keys)
        return [self._opened(key, rows[key]) if key in rows else None for key in keys]

    def save(self, states: Iterable[tuple[Key, bytes]], note: str | None = None) -> None:
        """Keep states in one transaction. Raises StoreError where that cannot be done."""
        with self._database.writing() as connection:
            connection.executemany(
                "INSERT INTO streams VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET state = excluded.state",
                ((key, self._sealed(key, state)) for key, state in states),
            )
            if note is not None:
                connection.execute("INSERT OR REPLACE INTO about VALUES ('note', ?)", (note,))

    def remove(self, keys: Iterable[Key]) -> None:
        """Forget keys in one transaction. Raises StoreError where that cannot be done."""
        with self._database.writing() as connection:
            connection.executemany("DELETE FROM streams WHERE key = ?", ((key,) for key in keys))

    def holding(self, keys: Sequence[Key]) -> set[Key]:
        """Which of the keys there are. Raises InputError for what is no key."""
        return set(self._rows(keys))

    @property
    def _used(self) -> bool:
        """Whether a pool has the store."""
        return self._user is not None and self._user() is not None

    def _check_unused(self, call: str) -> None:
        if self._used:
            raise StoreError(f"{call}: a pool uses {self._path}; restore and close streams through the pool")

    def _bind(self, fingerprint: str, whose: str) -> None:
        """Belong to a model. Raises StoreError where the store belongs to another."""
        if self._fingerprint is None:
            with self._database.writing() as connection:
                connection.execute("INSERT OR IGNORE INTO about VALUES ('fingerprint', ?)", (fingerprint,))
            self._fingerprint = self._about("fingerprint")
        owner = self._fingerprint or ""
        if fingerprint != owner:
            raise StoreError(
                f"{whose} has the fingerprint {fingerprint[:12]}…, but {self._path} holds states of model {owner[:12]}…; "
                "take that model, or another file"
            )

    def _about(self, name: str) -> str | None:
        with self._database.reading() as connection:
            row = connection.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _rows(self, keys: Sequence[Key]) -> dict[Key, Any]:
        """What the file has for some keys, by key, not looked at yet. Raises InputError for what is no key."""
        _check_keys(keys)
        rows: dict[Key, Any] = {}
        with self._database.reading() as connection:
            for begin in range(0, len(keys), _AT_ONCE):
                part = keys[begin : begin + _AT_ONCE]
                places = ",".join("?" * len(part))
                rows.update(connection.execute(f"SELECT key, state FROM streams WHERE key IN ({places})", part))
        return rows

    def _sealed(self, key: Key, state: bytes) -> bytes:
        """A row: the state, and 16 bytes of the SHA-256 over model, key and state."""
        return state + hashlib.sha256(b"%a%a%b" % (self._fingerprint, key, state)).digest()[:_CHECK]

    def _opened(self, key: Key, row: Any) -> bytes:
        """The state in a row. Raises StoreError where it is not what was stored."""
        state = row[:-_CHECK] if isinstance(row, bytes) else b""
        if self._sealed(key, state) != row:
            raise StoreError(
                f"{self._path}: the state of key {key!r} is damaged; put a copy of the file in its place, or delete the key, "
                "which begins a new signal"
            )
        return state


def check_key_types(keys: Collection[object]) -> None:
    """Raise InputError unless all are of the types that a store takes for keys."""
    for kind in set(map(type, keys)) - {str, int, bytes}:
        example = next(key for key in keys if type(key) is kind)
        raise InputError(f"a key is {example!r}, of type {kind.__name__}; a store takes str, int and bytes")


def _check_keys(keys: Collection[Key]) -> None:
    """Raise InputError unless the file can hold all of them."""
    check_key_types(keys)
    for key in keys:
        if isinstance(key, int) and not -(1 << 63) <= key < 1 << 63:
            raise InputError(f"a key is {key}, which has more than 64 bits; give it as a str")
        if isinstance(key, str) and not key.isascii():
            try:
                key.encode()
            except UnicodeEncodeError:
                raise InputError(f"a key is {key!r}, which is no text that UTF-8 can hold; give it as bytes") from None
