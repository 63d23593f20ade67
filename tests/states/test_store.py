"""`StateStore`: what is put is there, for good, for this model, and whatever is wrong with the file is said."""

import copy
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import InputError, Model, SnapshotError, StateStore, StoreError, Stream, StreamPool, StreamRNNError
from streamrnn.states import schema
from tests.models import mixed, model, one_width  # noqa: F401  (a fixture)
from tests.models import signal as noise

KEYS: list[Any] = ["a", "1", 1, b"1", "", 0, b"", -(1 << 63), (1 << 63) - 1, "λ\0μ", "𝄞", b"\0\xff", "x" * 5000]


@pytest.fixture(scope="module")
def whole() -> Model:
    return mixed()


@pytest.fixture(scope="module")
def snapshots(whole: Model) -> dict[Any, bytes]:
    """Another for each key."""
    stream = Stream(whole)
    saved = {}
    for key, row in zip(KEYS, noise(len(KEYS)), strict=True):
        stream.step(row)
        saved[key] = stream.snapshot()
    return saved


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "states"


@pytest.fixture
def store(path: Path) -> Iterator[StateStore]:
    with StateStore(path) as store:
        yield store


def test_what_is_put_is_there_for_a_later_owner(path: Path, whole: Model, snapshots: dict[Any, bytes]) -> None:
    with StateStore(path) as store:
        assert (len(store), store.fingerprint, store.note) == (0, None, None)
        store.put(snapshots, note="so far")
    with StateStore(path) as store:
        assert store.get(KEYS) == snapshots
        assert [*map(type, store.get(KEYS))] == [*map(type, KEYS)]
        assert (list(store), len(store), store.note) == (KEYS, len(KEYS), "so far")
        assert (store.fingerprint, store.path) == (whole.fingerprint, str(path))


def test_keys_of_other_types_are_others(store: StateStore, snapshots: dict[Any, bytes]) -> None:
    store.put({"1": snapshots["a"]})
    assert "1" in store
    assert 1 not in store
    assert b"1" not in store
    assert store.get([1, b"1", "1", "2"]) == {"1": snapshots["a"]}


def test_a_key_has_what_was_put_last_and_nothing_once_deleted(store: StateStore, snapshots: dict[Any, bytes]) -> None:
    store.put({"a": snapshots["a"], 1: snapshots[1]})
    store.put({"a": snapshots[0]})
    assert store.get(["a", 1]) == {"a": snapshots[0], 1: snapshots[1]}
    store.delete(["a", "nobody"])
    assert list(store) == [1]


def test_more_keys_than_a_query_takes_are_found_and_iterated_while_the_store_changes(
    store: StateStore, snapshots: dict[Any, bytes]
) -> None:
    store.put(dict.fromkeys(range(2345), snapshots["a"]))
    assert len(store.get(range(3000))) == 2345
    seen = []
    for key in store:
        seen.append(key)
        store.delete([key])
    assert seen == list(range(2345))


@pytest.mark.parametrize("key", [None, True, 1.0, ("a",), np.int64(1), np.str_("b"), 1 << 63, -(1 << 63) - 1, "\udc80", []])
def test_what_is_no_key_is_refused_and_nothing_is_put(key: Any, store: StateStore, snapshots: dict[Any, bytes]) -> None:
    calls = [lambda: store.get(["a", key]), lambda: store.delete(["a", key]), lambda: key in store]
    if not isinstance(key, list):
        calls.append(lambda: store.put({"a": snapshots["a"], key: snapshots["a"]}))
    for call in calls:
        with pytest.raises(InputError, match="a key is"):
            call()
    assert len(store) == 0


@pytest.mark.parametrize("data", [b"", b"no snapshot", 7, None])
def test_what_is_no_snapshot_is_refused_and_nothing_is_put(data: Any, store: StateStore, snapshots: dict[Any, bytes]) -> None:
    with pytest.raises(SnapshotError):
        store.put({"a": snapshots["a"], "b": data})
    assert (len(store), store.fingerprint) == (0, None)


def test_another_model_is_refused_by_its_fingerprint(path: Path, snapshots: dict[Any, bytes]) -> None:
    other = mixed(seed=1)
    with StateStore(path) as store:
        store.put(snapshots)
        with pytest.raises(StoreError, match=f"'b' has the fingerprint {other.fingerprint[:12]}"):
            store.put({"b": Stream(other).snapshot()})
        with pytest.raises(StoreError, match="use that model"):
            StreamPool(other, store=store)
        assert store.get(KEYS) == snapshots


def test_a_store_without_states_that_is_another_models_may_be_removed(path: Path) -> None:
    with StateStore(path) as store:
        StreamPool(mixed(), store=store)
        with pytest.raises(StoreError, match="it has none yet, so remove it, or name another file"):
            StreamPool(mixed(seed=1), store=store)


def test_a_store_in_use_is_refused_to_others_until_it_is_closed(path: Path, snapshots: dict[Any, bytes]) -> None:
    code = f"import streamrnn; print(len(streamrnn.StateStore({str(path)!r})))"
    with StateStore(path) as store:
        store.put(snapshots)
        with pytest.raises(StoreError, match="one process may open it at a time"):
            StateStore(path)
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "StoreError" in result.stderr
        assert "one process may open it at a time" in result.stderr
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == f"{len(KEYS)}\n"


def test_a_closed_store_says_so(path: Path, snapshots: dict[Any, bytes]) -> None:
    store = StateStore(path)
    store.close()
    store.close()
    for call in (lambda: store.get(["a"]), lambda: store.put(snapshots), lambda: len(store), lambda: list(store)):
        with pytest.raises(StoreError, match="closed"):
            call()


def test_threads_take_turns(store: StateStore, snapshots: dict[Any, bytes]) -> None:
    def put(first: int) -> None:
        for key in range(first, first + 50):
            store.put({key: snapshots["a"]})
            assert store.get([key])

    threads = [threading.Thread(target=put, args=(1000 * index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store) == 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_is_refused_and_leaves_the_store_to_its_owner(path: Path, snapshots: dict[Any, bytes]) -> None:
    code = """
import os, sys, streamrnn
path, data = sys.argv[1], bytes.fromhex(sys.argv[2])
store = streamrnn.StateStore(path)
store.put({"a": data})
if not os.fork():
    try:
        store.put({"b": data})
    except streamrnn.StoreError as error:
        print("refused:", error)
    store.close()
    del store
    sys.exit()
os.wait()
assert os.path.getsize(path + "-wal")  # where all is, until the owner closes it
store.put({"c": data})
print(*store)
"""
    out = subprocess.check_output([sys.executable, "-c", code, str(path), snapshots["a"].hex()], text=True)
    assert (
        out == f"refused: {path}: was opened before a fork, by the parent process; open the store again in this process\na c\n"
    )


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE precious (x)")
    connection.close()


def later(path: Path) -> None:
    StateStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {schema.FORMAT + 1}")
    connection.close()


UNUSABLE: dict[str, tuple[Any, str]] = {
    "no database": (lambda path: path.write_bytes(b"key,state\n" * 100), "not a state store"),
    "another program's": (foreign, "another program"),
    "a later version's": (later, f"format {schema.FORMAT + 1}.*upgrade"),
    "a directory": (lambda path: path.mkdir(), "cannot be opened"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_is_no_store_is_refused_and_stays_as_it_is(name: str, path: Path) -> None:
    make, message = UNUSABLE[name]
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=message) as refused:
        StateStore(path)
    assert str(path) in str(refused.value)
    assert before is None or path.read_bytes() == before


@pytest.mark.parametrize("path", ["no/such/place/states", "a\0b", 7, None, ""])
def test_a_place_that_cannot_be_is_refused(path: Any) -> None:
    with pytest.raises(StoreError):
        StateStore(path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user who may not write everywhere")
def test_a_read_only_place_is_refused(path: Path) -> None:
    StateStore(path).close()
    path.chmod(0o400)
    with pytest.raises(StoreError, match="change its permissions"):
        StateStore(path)


def test_an_empty_file_is_a_new_store(path: Path, snapshots: dict[Any, bytes]) -> None:
    path.touch()
    with StateStore(path) as store:
        store.put(snapshots)
        assert len(store) == len(KEYS)


def test_any_altered_bytes_of_a_row_are_found(path: Path, snapshots: dict[Any, bytes]) -> None:
    """A bit of the state, a state of another key, a row cut short, no bytes at all."""
    spoils = [
        "UPDATE streams SET state = CAST(substr(state, 1, 3) || x'3f' || substr(state, 5) AS BLOB) WHERE key = 'a'",
        "UPDATE streams SET state = (SELECT state FROM streams WHERE key = '1') WHERE key = 'a'",
        "UPDATE streams SET state = substr(state, 1, 20) WHERE key = 'a'",
        "UPDATE streams SET state = x'' WHERE key = 'a'",
        "UPDATE streams SET state = 17 WHERE key = 'a'",
    ]
    for spoil in spoils:
        path.unlink(missing_ok=True)
        with StateStore(path) as store:
            store.put(snapshots)
        connection = sqlite3.connect(path)
        with connection:
            connection.execute(spoil)
        connection.close()
        with StateStore(path) as store:
            with pytest.raises(StoreError, match="key 'a' is damaged"):
                store.get(["1", "a"])
            assert store.get(["1"]) == {"1": snapshots["1"]}
            store.delete(["a"])
            assert store.get(["1", "a"]) == {"1": snapshots["1"]}


@pytest.mark.parametrize("note", [5, b"so far", "\ud800"])
def test_what_is_no_note_is_refused_and_nothing_is_put(note: Any, store: StateStore, snapshots: dict[Any, bytes]) -> None:
    with pytest.raises(InputError, match="a note cannot be saved"):
        store.put(snapshots, note)
    assert (len(store), store.note) == (0, None)


def test_a_full_disk_is_an_error_and_loses_nothing_that_was_committed(path: Path, snapshots: dict[Any, bytes]) -> None:
    code = """
import resource, signal, sys, streamrnn
path, data = sys.argv[1], bytes.fromhex(sys.argv[2])
store = streamrnn.StateStore(path)
store.put({"a": data})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    store.put({index: data for index in range(1000)})
except streamrnn.StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.put({"b": data})
print(*store)
"""
    out = subprocess.check_output([sys.executable, "-c", code, str(path), snapshots["a"].hex()], text=True)
    assert "committed states are safe" in out
    assert out.endswith("\na b\n")


def test_a_kill_at_any_moment_leaves_every_key_what_was_committed_last_or_before(
    path: Path, snapshots: dict[Any, bytes]
) -> None:
    """A child puts one of two states for all keys, again and again: after its death all keys have the same one."""
    code = """
import sys, streamrnn
path, *data = sys.argv[1], *map(bytes.fromhex, sys.argv[2:])
with streamrnn.StateStore(path) as store:
    n = int(store.note or 0)
    while True:
        n += 1
        store.put(dict.fromkeys(range(300), data[n % 2]), note=str(n))
        print(n, flush=True)
"""
    two = [snapshots["a"], snapshots[1]]
    rng = np.random.default_rng(1)
    for _ in range(8):
        command = [sys.executable, "-c", code, str(path), *(data.hex() for data in two)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout
            for _ in range(int(rng.integers(1, 60))):
                acknowledged = int(child.stdout.readline())
            threading.Event().wait(rng.uniform(0, 0.003))
            child.send_signal(signal.SIGKILL)
            acknowledged = int(([acknowledged, *child.stdout.read().splitlines()])[-1])
        with StateStore(path) as store:
            assert store.note in (str(acknowledged), str(acknowledged + 1))
            assert store.get(range(300)) == dict.fromkeys(range(300), two[int(store.note) % 2])


@pytest.mark.parametrize(("options", "level"), [({}, 2), ({"sync": True}, 2), ({"sync": False}, 1)])
def test_a_commit_waits_for_the_disk_unless_asked_not_to(path: Path, options: dict[str, bool], level: int) -> None:
    """Full and normal synchronisation, as SQLite numbers them; a power failure cannot be tried."""
    with StateStore(path, **options) as store:
        for name, value in {"synchronous": level, "journal_mode": "wal"}.items():
            query = f"PRAGMA {name}"
            assert store._database.read(lambda cursor, query=query: cursor.execute(query).fetchone()) == (value,)


def test_a_store_is_not_copied(store: StateStore) -> None:
    for duplicate in copy.copy, copy.deepcopy, pickle.dumps:
        with pytest.raises(StreamRNNError, match="open its file again"):
            duplicate(store)
    assert store.path in repr(store)


def test_a_model_without_a_state_has_a_store_too(store: StateStore) -> None:
    whole = model("dense-tanh")
    pool = StreamPool(whole, 1, store=store)
    pool.open_keys(["a"])
    pool.open_keys(["b"])
    pool.flush()
    assert store.get(["a", "b"]) == dict.fromkeys("ab", Stream(whole).snapshot())
