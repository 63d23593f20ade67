"""Whatever a caller's object raises, the call raises an error of streamrnn from it, and nothing has changed."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import RNN, InputError, Model, ModelError, StateStore, Stream, StreamPool, StreamRNNError, load, run_offline
from streamrnn.boundary import refusing


class OwnError(Exception):
    """An error of the caller's own."""


class Failing:
    """An object all of whose methods raise."""

    def fail(self, *_: Any, **__: Any) -> Any:
        raise OwnError("its own error")

    __array__ = __len__ = __getitem__ = __iter__ = __hash__ = __eq__ = __fspath__ = __float__ = __index__ = __repr__ = fail


class Masked(Failing):
    _mask = property(Failing.fail)


class Endless:
    """It says that it has 2**40 items."""

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, index: int) -> float:
        return 0.0


class WithArray:
    """Its conversion raises an error of some class."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise self.error("its own error")


class FailingMapping(Mapping[Any, Any]):
    def __getitem__(self, key: Any) -> Any:
        raise OwnError("its own error")

    def __iter__(self) -> Iterator[Any]:
        raise OwnError("its own error")

    def __len__(self) -> int:
        return 1


ARRAYS: dict[str, Callable[[], Any]] = {
    "all of it fails": Failing,
    "its mask fails": Masked,
    "2**40 items": Endless,
    **{error.__name__: lambda error=error: WithArray(error) for error in (OwnError, RuntimeError, IndexError, MemoryError)},
    "nested": lambda: [[Failing()]],
}

MODEL = Model([RNN([[[1.0]]], [[[0.5]]])])


@pytest.fixture(scope="module")
def pool() -> StreamPool:
    return StreamPool(MODEL)


@pytest.fixture(scope="module")
def stream() -> Stream:
    return Stream(MODEL)


@pytest.mark.parametrize("what", ARRAYS)
def test_an_array_that_raises_is_an_input_error_and_nothing_has_moved(what: str, stream: Stream, pool: StreamPool) -> None:
    slot = pool.open_keys(["a"])
    before, before_in_pool = stream.snapshot(), pool.snapshot()
    calls: dict[str, Callable[[Any], Any]] = {
        "step": stream.step,
        "process": stream.process,
        "run_offline": lambda x: run_offline(MODEL, x),
        "pool.step": lambda x: pool.step(slot, x),
        "pool.process": lambda x: pool.process(slot, x),
        "pool.step_keys": lambda x: pool.step_keys({"a": x}),
        "slots of step": lambda x: pool.step(x, [[1.0]]),
        "slots of reset": pool.reset,
        "slot of close": pool.close,
    }
    for name, call in calls.items():
        with pytest.raises(InputError) as caught:
            call(ARRAYS[what]())
        assert name in ("run_offline", "slots of step") or isinstance(caught.value.__cause__, Exception), name
    assert stream.snapshot() == before
    assert pool.snapshot() == before_in_pool
    pool.close_keys(["a"])


@pytest.mark.parametrize("what", ARRAYS)
def test_weights_that_raise_are_a_model_error(what: str) -> None:
    with pytest.raises(ModelError, match="rnn layer, input_weights: not an array of numbers"):
        RNN(ARRAYS[what](), [[[0.5]]])


def test_ctrl_c_passes() -> None:
    class Interrupted:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_offline(MODEL, Interrupted())  # type: ignore[call-overload]


def test_keys_that_raise_are_an_input_error(pool: StreamPool) -> None:
    for call in (
        pool.open,
        pool.open_keys,
        pool.close_keys,
        lambda key: pool.open_keys([key]),
        lambda key: pool.close_keys([key]),
    ):
        with pytest.raises(InputError):
            call(Failing())
    with pytest.raises(InputError, match=r"step_keys: the mapping cannot be read \(its own error\)"):
        pool.step_keys(FailingMapping())


def test_a_key_that_cannot_be_compared_is_an_input_error(pool: StreamPool) -> None:
    class Incomparable:
        def __hash__(self) -> int:
            return hash("a")

        def __eq__(self, other: object) -> bool:
            raise OwnError("its own error")

    pool.open("a")
    with pytest.raises(InputError, match="cannot be looked up"):
        pool.open(Incomparable())
    with pytest.raises(InputError, match="cannot be looked up"):
        pool.step_keys({Incomparable(): 1.0})
    pool.close_keys(["a"])


def test_a_store_refuses_keys_and_snapshots_that_raise(tmp_path: Path) -> None:
    with StateStore(tmp_path / "store") as store:
        for call in store.get, store.delete, store.put:
            with pytest.raises(InputError, match="cannot be read"):
                call(Failing())  # type: ignore[operator]
        with pytest.raises(InputError):
            store.put(FailingMapping())
        with pytest.raises(InputError, match="single key"):
            store.get("a key")
        with pytest.raises(StreamRNNError):
            store.put({"a": Failing()})  # type: ignore[dict-item]
        assert len(store) == 0


def test_a_path_that_raises_is_an_error_of_streamrnn() -> None:
    for call in load, StateStore, MODEL.save:
        with pytest.raises(StreamRNNError):
            call(os_path())  # type: ignore[operator]


def os_path() -> "os.PathLike[str]":
    class Path:
        def __fspath__(self) -> str:
            raise OwnError("its own error")

    return Path()


def test_layers_sources_and_notes_that_raise_are_a_model_error() -> None:
    layer = MODEL.layers[0]
    for make in (
        lambda: Model(Failing()),  # type: ignore[arg-type]
        lambda: Model([layer], sources=Failing()),  # type: ignore[arg-type]
        lambda: Model([layer], notes=FailingMapping()),
        lambda: RNN([[[1.0]]], [[[0.5]]], activations=Failing()),  # type: ignore[arg-type]
    ):
        with pytest.raises(ModelError):
            make()


def test_tensors_of_torch_that_give_no_array_are_an_input_error(stream: Stream, pool: StreamPool) -> None:
    torch = pytest.importorskip("torch", reason="looks at tensors of torch, which is not installed")
    slot = pool.open("a")
    one = torch.ones(1)
    odd = {
        "with gradient": torch.nn.Linear(1, 1)(one),
        "negative view": torch._neg_view(one),
        "bfloat16": one.bfloat16(),
        "sparse": one.to_sparse(),
        "meta": one.to("meta"),
        "conjugate": torch.ones(1, dtype=torch.complex64).conj(),
    }
    for tensor in odd.values():
        for call in (
            stream.step,
            lambda x: stream.process([x]),
            lambda x: pool.step([slot], x),
            lambda x: pool.step_keys({"a": x}),
        ):
            with pytest.raises(InputError):
                call(tensor)
    with pytest.raises(ModelError):
        RNN(torch.nn.Parameter(torch.ones(1, 1, 1)), [[[0.5]]])
    assert np.isfinite(stream.step(one)).all()
    pool.close(slot)


def test_the_message_has_the_first_line_of_the_reason_and_the_remedy() -> None:
    with pytest.raises(InputError) as caught, refusing(InputError, "step: not numbers", "use others"):
        raise OwnError("no\nmore")
    assert str(caught.value) == "step: not numbers (no); use others"
    assert isinstance(caught.value.__cause__, OwnError)
    with pytest.raises(InputError, match=r"^step: not numbers \(OwnError\)$"), refusing(InputError, "step: not numbers"):
        raise OwnError
    with pytest.raises(ModelError, match=r"^already said$"), refusing(InputError, "step: not numbers"):
        raise ModelError("already said")
