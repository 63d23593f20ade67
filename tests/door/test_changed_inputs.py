"""A call that releases the GIL computes what its inputs were when it began, whatever another thread writes meanwhile."""

from typing import Any

import numpy as np
import pytest

from streamrnn import Stream, StreamPool, run_offline
from streamrnn.door.plain import PlainDoor
from streamrnn.pool.plain_door import PoolDoor
from tests.models import model, signal


@pytest.mark.parametrize("name", ["lstm", "dense-tanh"])
@pytest.mark.parametrize("call", ["process", "run_offline", "pool.process", "pool.step"])
def test_an_input_that_turns_into_nan_after_the_call_has_begun_changes_nothing(
    call: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = model(name)
    x = signal(40)

    def answer(x: Any) -> Any:
        if call == "process":
            return Stream(whole).process(x)
        if call == "run_offline":
            return run_offline(whole, x)
        pool = StreamPool(whole)
        if call == "pool.process":
            return pool.process([pool.open()], x[None])
        return PoolDoor.step(pool._door, [pool.open() for _ in x], x)  # type: ignore[arg-type]

    expected = answer(x)
    spoiled = x.copy()
    for door, attribute in (PlainDoor, "_advance_without_gil"), (PoolDoor, "_advance"):
        _spoil_before(monkeypatch, door, attribute, spoiled)
    assert answer(spoiled).tobytes() == expected.tobytes()
    assert np.isnan(spoiled).all()


def _spoil_before(monkeypatch: pytest.MonkeyPatch, door: Any, attribute: str, array: Any) -> None:
    """What another thread would do at the worst instant: overwrite the array as the driver begins."""
    made = door.__init__

    def init(self: Any, *arguments: Any) -> None:
        made(self, *arguments)
        advance = getattr(self, attribute)

        def spoiling(*numbers: int) -> Any:
            array[:] = np.nan
            return advance(*numbers)

        setattr(self, attribute, spoiling)

    monkeypatch.setattr(door, "__init__", init)


def test_a_value_that_is_not_finite_is_named_by_its_index_in_the_whole_block(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(model("lstm"))
    stream._door._n_uninterrupted = 7
    x = signal(40)
    x[33, 1] = np.nan
    before = stream.snapshot()
    with pytest.raises(Exception, match=r"input\[33, 1\] is nan"):
        stream.process(x)
    assert stream.snapshot() == before
