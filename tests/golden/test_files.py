"""Archives, snapshots and state stores that the first engine wrote can be read for ever, with the same meaning."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from streamrnn import StateStore, Stream, StreamPool, load
from tests.golden.make import FOLDER, KEPT_DTYPES, STEPS_BEFORE
from tests.golden.models import golden_model, signal

CASES = [(name, dtype) for dtype, names in KEPT_DTYPES.items() for name in names]
KEYS = ["text", 7, b"\x00bytes"]


@pytest.mark.few(3)
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_an_old_archive_is_the_model_that_was_saved(name: str, dtype: str, tmp_path: Path) -> None:
    old, now = load(FOLDER / f"{name}.{dtype}.safetensors"), golden_model(name, dtype)
    assert old.fingerprint == now.fingerprint
    for ours, theirs in zip(now.layers, old.layers, strict=True):
        assert ours.options() == theirs.options()
        assert all(np.array_equal(value, theirs.tensors()[name]) for name, value in ours.tensors().items())
    now.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (FOLDER / f"{name}.{dtype}.safetensors").read_bytes()


@pytest.mark.few(3)
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_an_old_snapshot_goes_on_with_the_same_bits(name: str, dtype: str) -> None:
    model = golden_model(name, dtype)
    x = signal(name, model.input_size).astype(model.dtype)
    whole, again = Stream(model), Stream(model)
    expected = whole.process(x)[STEPS_BEFORE:]
    again.restore((FOLDER / f"{name}.{dtype}.snapshot").read_bytes())
    assert np.array_equal(again.process(x[STEPS_BEFORE:]), expected)


@pytest.mark.few(3)
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_an_old_state_store_goes_on_with_the_same_bits(name: str, dtype: str, tmp_path: Path) -> None:
    model, path = golden_model(name, dtype), tmp_path / "store.db"
    shutil.copy(FOLDER / f"{name}.{dtype}.db", path)
    snapshot = (FOLDER / f"{name}.{dtype}.snapshot").read_bytes()
    with StateStore(path) as store:
        assert store.note == "a note"
        assert store.get(KEYS) == {"text": snapshot, 7: Stream(model).snapshot(), b"\x00bytes": snapshot}
        pool = StreamPool(model, 4, store=store)
        assert pool.snapshot(pool.open_keys(KEYS)) == [snapshot, Stream(model).snapshot(), snapshot]
    with StateStore(path) as store:  # now of the present format
        assert (store.note, set(store)) == ("a note", set(KEYS))
