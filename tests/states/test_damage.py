"""A damaged store says so, whatever part of the file is damaged."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from streamrnn import StateStore, StoreError
from streamrnn.states import table
from tests.states import damage

#: Those that once gave something wrong: the name of the note was altered, and the note was gone.
FOUND = [7578]


def test_a_damaged_file_gives_an_error_or_the_truth_and_soon(tmp_path: Path) -> None:
    counts, wrong, longest = damage.run(250, 0, tmp_path)
    assert not wrong
    assert longest < damage.LONGEST
    assert min(counts.values()) > 50


@pytest.mark.parametrize("seed", FOUND)
def test_damage_that_was_once_silent_is_an_error(seed: int, tmp_path: Path) -> None:
    counts, wrong, _ = damage.run(1, seed, tmp_path)
    assert (counts["an error"], wrong) == (1, [])


#: The first byte of a page of an index.
INDEX = 10

CALLS: dict[str, Any] = {
    "get": lambda store: store.get(["k050"]),
    "in": lambda store: "k050" in store,
    "len": len,
    "list": list,
    "delete": lambda store: store.delete(["k050"]),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("at_open", [True, False])
def test_a_key_that_the_index_has_lost_is_not_new(
    at_open: bool, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bit of the key is altered. A large store is checked when a key is not found."""
    damage.make(tmp_path / "good")
    good = (tmp_path / "good").read_bytes()
    data = bytearray(good)
    (at,) = [n for n in range(len(data)) if data[n : n + 4] == b"k050" and data[n // damage.PAGE * damage.PAGE] == INDEX]
    data[at + 1] ^= 64
    (tmp_path / "damaged").write_bytes(data)
    monkeypatch.setattr(table, "CHECKED_AT_OPEN", 1 << 30 if at_open else 0)
    if at_open:
        with pytest.raises(StoreError, match="damaged"):
            StateStore(tmp_path / "damaged")
    else:
        with StateStore(tmp_path / "damaged") as store, pytest.raises(StoreError, match="damaged"):
            CALLS[name](store)


def test_keys_whose_row_numbers_do_not_ascend_are_an_error_and_no_endless_loop(tmp_path: Path) -> None:
    damage.make(tmp_path / "store")
    data = bytearray((tmp_path / "store").read_bytes())
    (at,) = [n - 4 for n in range(4, len(data)) if data[n : n + 4] == b"k099" and data[n - 4] == 100]  # the number of its row
    data[at] ^= 64
    (tmp_path / "store").write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged.*backup"):
        StateStore(tmp_path / "store")


@pytest.mark.parametrize("change", ["CREATE TABLE more (x)", "DROP TABLE about", "CREATE INDEX i ON streams (state)"])
def test_other_tables_than_those_of_a_store_are_an_error(change: str, tmp_path: Path) -> None:
    damage.make(tmp_path / "store")
    connection = sqlite3.connect(tmp_path / "store")
    connection.execute(change)
    connection.close()
    with pytest.raises(StoreError, match="its tables are not those of a state store"):
        StateStore(tmp_path / "store")
