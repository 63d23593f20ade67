"""`StateStore`: the states of many streams by key, in a file that survives a crash."""

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self
from weakref import ReferenceType, ref

from streamrnn.boundary import refusing
from streamrnn.errors import InputError, StoreError, StreamRNNError
from streamrnn.states import snapshot
from streamrnn.states.keys import Key, check_keys

if TYPE_CHECKING:
    from streamrnn.states.table import StateTable


class User(Protocol):
    """What a pool has of a store: the streams whose states are in the store or will be."""

    @property
    def n_unsaved(self) -> int:
        """How many of them have changed since they were saved."""


class StateStore:
    """Snapshots by key, of any number of streams of one model, in one SQLite file.

    Each call that writes is one transaction. After a crash, `kill -9` or a power failure, each key has its last committed
    state; after a crash during a commit, that state or the one before. A key is a str, an int of 64 bits, or bytes; 1 and "1"
    are different keys. The first snapshot or pool binds the store to its model. One process may open it at a time; its threads
    may share it. Reopen it after fork.

    A damaged file gives an error, never a wrong answer: each state has a checksum, and the whole file is checked when it is
    opened, or, if it has more than 16 MiB, when a key is not found for the first time (about 7 µs for each key in the store).
    After Ctrl-C the store is usable, and the interrupted call has saved everything or nothing.

    path  of the file, which is created if it does not exist; SQLite keeps a second file beside it, named with "-wal" at the end
    sync  True: a commit waits for the disk. False: faster; a crash of the process loses nothing, but a power failure may undo
          the last commits, each as a whole

    Raises StoreError for a file that is not a store, is of a later version, is damaged or in use, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], sync: bool = True) -> None:
        from streamrnn.states.database import Database  # here: without a store nothing needs SQLite
        from streamrnn.states.table import StateTable

        with refusing(StoreError, "StateStore: not a valid path"):
            self._path = os.path.abspath(os.fsdecode(path))
            if "\0" in self._path:
                raise ValueError(f"{self._path!r} holds a zero byte")
        self._user: ReferenceType[User] | None = None
        self._sync = sync
        self._database = Database(self._path, sync)
        try:
            self._table = StateTable(self._database, self._path)
        except BaseException:
            self._database.close()
            raise

    @property
    def path(self) -> str:
        """The absolute path of the file."""
        return self._path

    @property
    def sync(self) -> bool:
        """Whether a commit waits for the disk."""
        return self._sync

    @property
    def fingerprint(self) -> str | None:
        """`Model.fingerprint` of the model whose states these are; None before the first."""
        return self._table.fingerprint

    @property
    def note(self) -> str | None:
        """The last note that `put` or `StreamPool.flush` saved; None before the first."""
        return self._table.note

    def get(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """key -> snapshot, as `Stream.snapshot` gives it. A key that is not in the store is left out.

        Raises InputError for a key that a store cannot hold, StoreError for a damaged state.
        """
        wanted = _as_list("get", keys)
        states = zip(wanted, self._table.load(wanted), strict=True)
        return {key: snapshot.pack(self.fingerprint or "", state) for key, state in states if state is not None}

    def put(self, snapshots: Mapping[Key, bytes], note: str | None = None) -> None:
        """Save snapshots by key, in one transaction. A key that is in the store gets the new snapshot.

        note  a text to save in the same transaction, such as how far the input has been read

        Raises InputError for a key that a store cannot hold, SnapshotError for bytes that are not a snapshot, StoreError for a
        snapshot of another model, while a pool uses the store, or if the file cannot be written. Then nothing is saved.
        """
        self._check_unused("put")
        with refusing(InputError, "put: the snapshots by key cannot be read"):
            given = dict(snapshots)
        check_keys(given)
        unpacked = {key: snapshot.unpack(data) for key, data in given.items()}
        for key, (owner, _) in unpacked.items():
            self._table.bind(owner, f"put: the snapshot of {key!r}")
        self._table.save(((key, state) for key, (_, state) in unpacked.items()), note)

    def delete(self, keys: Iterable[Key]) -> None:
        """Delete keys, in one transaction; keys that are not in the store are ignored. Raises as `put` does."""
        self._check_unused("delete")
        given = _as_list("delete", keys)
        check_keys(given)
        self._table.remove(given)

    def __contains__(self, key: Key) -> bool:
        return bool(self._table.holding([key]))

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[Key]:
        """The keys, oldest first. Memory use does not grow with their number, and the store may change meanwhile."""
        return iter(self._table)

    def close(self, discard: bool = False) -> None:
        """Close the file. Does nothing the second time.

        discard  True: close it even if a pool has streams that have changed since they were saved. Their changes are lost

        Raises StoreError, and leaves the file open, if there are such streams and they are not to be discarded. The end of a
        `with` statement discards them, with a RuntimeWarning unless an exception ends it.
        """
        if not discard and (unsaved := self._unsaved()):
            raise StoreError(f"close: {unsaved}; call the pool's flush() first, or close(discard=True) to lose the changes")
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        unsaved = self._unsaved() if kind is None else ""
        self.close(discard=True)
        if unsaved:
            message = f"{unsaved}, and `with` has closed it: the changes are lost; call the pool's flush() before"
            warnings.warn(message, RuntimeWarning, stacklevel=2)

    def __repr__(self) -> str:
        return f"<StateStore {self._path}>"

    def __reduce__(self) -> Any:
        raise StreamRNNError("a StateStore cannot be pickled or copied; open its file again where it is needed")

    def lend(self, user: User, fingerprint: str) -> "StateTable":
        """Its table, for a pool, as long as the pool lives. Raises StoreError for another model, or if a pool has it."""
        if self._pool is not None:
            raise StoreError(f"StreamPool: {self._path} serves another pool; give each pool its own store")
        self._table.bind(fingerprint, "StreamPool: the model")
        self._user = ref(user)
        return self._table

    def _unsaved(self) -> str:
        """How many streams of a pool have changes that are not in the file; "" if none has."""
        n = self._pool.n_unsaved if self._pool is not None and self._database.is_open else 0
        return f"{n} stream{'s' * (n > 1)} of the pool that uses {self._path} changed after the last save" if n else ""

    @property
    def _pool(self) -> User | None:
        """The pool that uses the store."""
        return None if self._user is None else self._user()

    def _check_unused(self, call: str) -> None:
        if self._pool is not None:
            raise StoreError(f"{call}: a pool uses {self._path}; restore and close streams through the pool")


def _as_list(call: str, keys: Iterable[Key]) -> list[Key]:
    """The keys that a caller gives. Raises InputError for what is no list of keys."""
    with refusing(InputError, f"{call}: the keys cannot be read"):
        if isinstance(keys, str | bytes):
            raise TypeError("this is a single key")
        return list(keys)
