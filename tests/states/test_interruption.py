"""Ctrl-C in a store: the call has been done as a whole or not at all, and the store is as usable as before."""

import gc
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamrnn import StateStore, StoreError, Stream
from tests.golden.make import FOLDER
from tests.interruption import at_every_line
from tests.models import model

pytestmark = pytest.mark.usefixtures("old_objects_are_left_alone")

FILES = "database.py", "table.py", "schema.py", "store.py"
WHOLE = model("rnn-tanh", inputs=3, hidden=2)


@pytest.fixture(scope="module")
def two() -> list[bytes]:
    """Two snapshots."""
    stream = Stream(WHOLE)
    return [stream.snapshot(), (stream.step([1, 2, 3]), stream.snapshot())[1]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    store = StateStore(tmp_path / "states", sync=False)
    yield store
    store.close(discard=True)


CALLS: dict[str, Callable[[StateStore, bytes], Any]] = {
    "put": lambda store, data: store.put({"a": data, "b": data, 3: data}, note="later"),
    "delete": lambda store, _: store.delete(["a", "b"]),
    "get": lambda store, _: store.get(["a", "b", "nobody"]),
    "len": lambda store, _: len(store),
    "keys": lambda store, _: list(store),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_is_interrupted_at_any_line_is_done_or_not(name: str, store: StateStore, two: list[bytes]) -> None:
    def content() -> Any:
        return store.note, store.get(store)

    CALLS[name](store, two[1])
    done = content()
    store.delete(["a", "b", 3])
    store.put({"a": two[0], "b": two[0]}, note="before")
    before, n = content(), 0
    for _ in at_every_line(lambda: CALLS[name](store, two[1]), FILES):
        n += 1
        assert content() in (before, done if name == "put" else (before[0], {}))
        store.delete(["a", "b", 3])
        store.put({"a": two[0], "b": two[0]}, note="before")
    assert n > 10


def test_an_open_that_is_interrupted_at_any_line_leaves_a_store(tmp_path: Path, two: list[bytes]) -> None:
    made: list[StateStore] = []
    for _ in at_every_line(lambda: made.append(StateStore(tmp_path / "states")), FILES):
        gc.collect()  # what was made of the store may be held by the traceback
        with StateStore(tmp_path / "again") as other:
            other.put({"a": two[0]})
        with StateStore(tmp_path / "states") as store:
            assert len(store) == 0
    made[0].put({"a": two[0]})
    made[0].close()


def test_a_migration_that_is_interrupted_at_any_line_loses_nothing(tmp_path: Path) -> None:
    """The store is one of format 1, and each time a new copy."""
    old, path = next(FOLDER.glob("*.db")), tmp_path / "states"
    shutil.copy(old, path)
    with StateStore(path) as store:
        states = store.get(store)
    shutil.copy(old, path)
    made: list[StateStore] = []
    for _ in at_every_line(lambda: made.append(StateStore(path)), FILES):
        gc.collect()
        with StateStore(path) as store:
            assert (store.note, store.get(store)) == ("a note", states)
        shutil.copy(old, path)
    assert made[0].get(states) == states
    made[0].close()


def test_a_close_that_is_interrupted_at_any_line_can_be_repeated(tmp_path: Path, two: list[bytes]) -> None:
    made = [StateStore(tmp_path / "states")]
    for _ in at_every_line(lambda: made[-1].close(), FILES):
        made[-1].close()
        made.append(StateStore(tmp_path / "states"))
        made[-1].put({"a": two[0]})
    with StateStore(tmp_path / "states") as store:
        assert len(store) == 1


def test_a_thread_that_closes_a_store_meanwhile_gets_no_false_damage(store: StateStore, two: list[bytes]) -> None:
    def put() -> None:
        try:
            while True:
                store.put({"a": two[0]})
        except StoreError as error:
            said.append(str(error))

    said: list[str] = []
    threads = [threading.Thread(target=put) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    store.close()
    for thread in threads:
        thread.join()
    assert len(said) == 3
    assert all("closed" in message for message in said)


def test_a_signal_handler_that_finds_the_store_in_a_call_is_told_so(store: StateStore, two: list[bytes]) -> None:
    """It would otherwise undo the transaction that it interrupts, or close the file under it."""

    class Meddling:
        def __iter__(self) -> Iterator[Any]:
            for call in (lambda: store.get(["a"]), lambda: store.put({}), store.close):
                with pytest.raises(StoreError, match="already in a call"):
                    call()
            yield "a", b"1234"

    store.put({"b": two[0]})
    store._table.save(Meddling())  # as if a signal came between two states
    assert set(store) == {"a", "b"}
