"""The compiled door: a builtin that answers the usual call itself, and gives every other one to the plain door."""

import gc
import sys
import threading
import types
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from streamrnn import LSTM, InputError, Model, NonFiniteInputError, Select, Stream, StreamBusyError
from streamrnn.door import builtin
from streamrnn.door.machine.layout import RING_SIZE
from streamrnn.door.plain import PlainDoor
from tests.laws.test_calm_law import growth

RNG = np.random.default_rng(0)
I, H = 3, 8  # noqa: E741 - the field's names
MODEL = Model([LSTM(RNG.normal(size=(4, H, I)), RNG.normal(size=(4, H, H)) / 4)])
X = RNG.normal(size=(50, I)).astype(np.float32)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the plain door is asked for."""
    seen: list[Any] = []
    plain_step = PlainDoor.step

    def step(self: PlainDoor, *args: Any, **kwargs: Any) -> Any:
        seen.append((args, kwargs))
        return plain_step(self, *args, **kwargs)

    monkeypatch.setattr(PlainDoor, "step", step)
    return seen


@pytest.fixture
def expected() -> np.ndarray:
    """What X gives, by `process`."""
    return Stream(MODEL).process(X)


def test_this_interpreter_has_the_compiled_door() -> None:
    assert builtin.layout_is_known()
    assert isinstance(Stream(MODEL).step, types.BuiltinFunctionType)


def test_the_usual_call_does_not_reach_the_plain_door(calls: list[Any], expected: np.ndarray) -> None:
    stream = Stream(MODEL)
    for x, y in zip(X, expected, strict=True):
        assert stream.step(x).tobytes() == y.tobytes()
    assert calls == []


@pytest.mark.parametrize("give", [lambda s, x, y: s.step(x, y), lambda s, x, y: s.step(x, out=y)], ids=["second", "out="])
def test_out_is_written_and_returned(calls: list[Any], expected: np.ndarray, give: Callable[..., Any]) -> None:
    stream, out = Stream(MODEL), np.empty(H, np.float32)
    before = sys.getrefcount(out)
    for x, y in zip(X, expected, strict=True):
        assert give(stream, x, out) is out
        assert out.tobytes() == y.tobytes()
    assert calls == []
    assert sys.getrefcount(out) == before


CONVERTED: dict[str, Callable[[Any], Any]] = {
    "float64": lambda x: x.astype(np.float64),
    "list": lambda x: x.tolist(),
    "tuple": lambda x: tuple(x.tolist()),
    "list of np.float32": lambda x: list(x),
    "tuple of np.float64 and floats": lambda x: (np.float64(x[0]), *x[1:].tolist()),
    "strided": lambda x: np.repeat(x, 2)[::2],
    "strided float64": lambda x: np.repeat(x.astype(np.float64), 3)[::3],
    "backwards": lambda x: x[::-1].copy()[::-1],
}

UNUSUAL: dict[str, Callable[[Any], Any]] = {
    "big-endian": lambda x: x.astype(">f4"),
    "big-endian float64": lambda x: x.astype(">f8"),
    "long double": lambda x: x.astype(np.longdouble),
    "subclass": lambda x: x.view(type("Array", (np.ndarray,), {})),
    "buffer": lambda x: memoryview(x),
    "list in a subclass": lambda x: type("List", (list,), {})(x.tolist()),
    "float in a subclass": lambda x: [type("Float", (float,), {})(value) for value in x],
    "an array in a list": lambda x: [np.array(x[0]), *x[1:].tolist()],
}


@pytest.mark.parametrize("name", CONVERTED)
def test_an_input_in_another_form_is_converted_without_the_plain_door(
    calls: list[Any], expected: np.ndarray, name: str
) -> None:
    stream, out = Stream(MODEL), np.empty(H, np.float32)
    for x, y in zip(X[:25], expected, strict=False):
        assert stream.step(CONVERTED[name](x)).tobytes() == y.tobytes()
    for x, y in zip(X[25:], expected[25:], strict=True):
        assert stream.step(CONVERTED[name](x), out=out) is out
        assert out.tobytes() == y.tobytes()
    assert calls == []


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_input_goes_to_the_plain_door(calls: list[Any], expected: np.ndarray, name: str) -> None:
    stream = Stream(MODEL)
    for x, y in zip(X, expected, strict=True):
        assert stream.step(UNUSUAL[name](x)).tobytes() == y.tobytes()
    assert len(calls) == len(X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", [0.3, np.float32(0.3), np.float64(0.3), [0.3], (np.float32(0.3),)], ids=repr)
def test_a_number_is_converted_without_the_plain_door(calls: list[Any], number: Any, dtype: str) -> None:
    alone = Model([LSTM(RNG.normal(size=(4, H, 1)), RNG.normal(size=(4, H, H)) / 4, dtype=dtype)])
    expected = PlainDoor.step(Stream(alone)._door, np.atleast_1d(number)).tobytes()
    calls.clear()
    assert Stream(alone).step(number).tobytes() == expected
    assert calls == []


def test_values_are_rounded_as_numpy_rounds_them() -> None:
    identity = Stream(Model([Select(1, (0,))]))  # moves a value, even a subnormal one
    between = [1 + 2**-24, 1 + 3 * 2**-24, 1 + 2**-24 + 2**-50, 1e-40, 1e-46, 3.4028235e38, 0.1]
    for value in between:
        assert identity.step(value).tobytes() == np.float32(value).tobytes()
        assert identity.step(np.array([value])).tobytes() == np.float32(value).tobytes()


@pytest.mark.parametrize(
    "wrong",
    [
        [np.nan, 0.0, 0.0],
        (0.0, float("inf"), 0.0),
        np.array([0.0, 1e300, 0.0]),
        [0.0, 0.0, np.float64(-1e39)],
        X[0][:2].tolist(),
        [*X[0].tolist(), 1.0],
        [],
        0.5,
        np.float32(0.5),
        X[0].astype(np.float64)[:2],
        X[:1].astype(np.float64),
        [0.0, None, 0.0],
        [0.0, "1", 0.0],
        [[0.0], [0.0], [0.0, 0.0]],
    ],
    ids=repr,
)
def test_what_is_not_converted_is_refused_in_the_words_of_the_plain_door(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = []
    for door in "compiled", "plain":
        monkeypatch.setenv("STREAMRNN_DOOR", door)
        stream = Stream(MODEL)
        stream.step(X[1])
        before = stream.snapshot()
        with pytest.raises(InputError) as caught:
            stream.step(wrong)
        assert stream.snapshot() == before
        messages.append((type(caught.value), str(caught.value)))
    assert messages[0] == messages[1]


def test_an_input_that_is_converted_may_lie_in_out() -> None:
    square = Model([LSTM(RNG.normal(size=(4, H, H)), RNG.normal(size=(4, H, H)) / 4)])
    one, other = Stream(square), Stream(square)
    memory = RNG.normal(size=2 * H).astype(np.float32)
    y = other.step(memory[::2].copy())
    assert one.step(memory[::2], out=memory[:H]).tobytes() == y.tobytes()


def test_a_read_only_input_is_as_good_as_any(calls: list[Any], expected: np.ndarray) -> None:
    x = X[0].copy()
    x.flags.writeable = False
    assert Stream(MODEL).step(x).tobytes() == expected[0].tobytes()
    assert calls == []


def test_an_input_that_is_also_the_output_is_read_before_it_is_written() -> None:
    square = Model([LSTM(RNG.normal(size=(4, H, H)), RNG.normal(size=(4, H, H)) / 4)])
    one, other = Stream(square), Stream(square)
    memory = RNG.normal(size=2 * H).astype(np.float32)
    for shift in (0, 3):
        x, out = memory[:H], memory[shift : shift + H]
        y = other.step(x.copy())
        assert one.step(x, out=out).tobytes() == y.tobytes()


@pytest.mark.parametrize(
    "out",
    [
        np.empty(H + 1, np.float32),
        np.empty((1, H), np.float32),
        np.empty(H),
        [0.0] * H,
        7,
        np.broadcast_to(np.float32(0), (H,)),
        np.frombuffer(bytes(4 * H), np.float32),
        np.empty(H, np.float32).view(np.matrix if hasattr(np, "matrix") else np.ndarray),
    ],
    ids=["longer", "2-d", "float64", "list", "number", "broadcast", "read-only", "matrix"],
)
def test_an_out_that_cannot_be_written_to_is_refused(out: Any) -> None:
    stream = Stream(MODEL)
    before = stream.snapshot()
    with pytest.raises(InputError, match="out must be"):
        stream.step(X[0], out=out)
    assert stream.snapshot() == before


def test_a_strided_out_is_written_through_the_plain_door(expected: np.ndarray) -> None:
    wide = np.zeros(2 * H, np.float32)
    assert Stream(MODEL).step(X[0], out=wide[::2]) is not None
    assert wide[::2].tobytes() == expected[0].tobytes()
    assert not wide[1::2].any()


@pytest.mark.parametrize("args", [(), (X[0], None, None)], ids=["none", "three"])
def test_a_wrong_number_of_arguments_is_a_type_error(args: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match="argument"):
        Stream(MODEL).step(*args)
    with pytest.raises(TypeError, match="unexpected"):
        Stream(MODEL).step(X[0], into=None)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda y: setattr(y, "shape", (2, H // 2)),
        lambda y: setattr(y, "dtype", np.int32),
        lambda y: y.setflags(write=False),
        lambda y: y.resize(3, refcheck=False),
        lambda y: setattr(y, "strides", (0,)),
    ],
    ids=["shape", "dtype", "read-only", "resized", "strides"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # NumPy discourages what a caller may still do
def test_what_a_caller_made_of_a_result_does_not_come_back(expected: np.ndarray, spoil: Callable[[Any], None]) -> None:
    stream = Stream(MODEL)
    for x, y in zip(X, expected, strict=True):
        result = stream.step(x)
        assert (result.shape, result.dtype, result.flags.writeable) == ((H,), np.float32, True)
        assert result.tobytes() == y.tobytes()
        spoil(result)


def test_held_results_are_joined_by_fresh_ones_and_dropped_ones_come_again(calls: list[Any], expected: np.ndarray) -> None:
    stream = Stream(MODEL)
    held = [stream.step(x) for x in X]
    assert len({id(y) for y in held}) == len(X)
    assert np.array(held).tobytes() == expected.tobytes()
    del held
    again = {id(stream.step(x)) for x in X}
    assert calls == []
    assert len(again) <= RING_SIZE


def test_a_refused_call_that_had_to_make_an_array_drops_it() -> None:
    stream = Stream(MODEL)
    held = [stream.step(x) for x in X]
    counts = [sys.getrefcount(y) for y in held]
    for _ in range(100):
        with pytest.raises(NonFiniteInputError):
            stream.step([np.nan] * I)
    assert [sys.getrefcount(y) for y in held] == counts


def test_a_step_from_the_end_of_an_array_that_the_ring_drops_is_a_step_like_others(expected: np.ndarray) -> None:
    stream, ends = Stream(MODEL), []
    held = [stream.step(x) for x in X[:RING_SIZE]]
    held[0].resize((2, H // 2), refcheck=False)  # so that it cannot come again
    watcher = weakref.ref(held[0], lambda _: ends.append(stream.step(X[RING_SIZE + 1])))
    del held[0]
    assert watcher() is not None
    held.append(stream.step(X[RING_SIZE]))
    assert watcher() is None
    results = [*held, *ends, stream.step(X[RING_SIZE + 2])]
    assert np.array(results).tobytes() == expected[1 : RING_SIZE + 3].tobytes()


def test_the_call_leaks_no_reference() -> None:
    stream, x = Stream(MODEL), X[0].copy()
    stream.step(x)
    before = sys.getrefcount(x), sys.getrefcount(stream), sys.getrefcount(stream.step)
    for _ in range(1000):
        stream.step(x)
        stream.step(x.tolist())
        stream.step(memoryview(x))
        _ = [stream.step(x) for _ in range(5)]
        with pytest.raises(NonFiniteInputError):
            stream.step(x * np.nan)
    assert (sys.getrefcount(x), sys.getrefcount(stream), sys.getrefcount(stream.step)) == before


def test_a_million_calls_leak_nothing() -> None:
    stream, shared = Stream(MODEL), (np.dtype(np.float32), np.dtype(np.float64))
    forms = [lambda x: x, *(CONVERTED[name] for name in ("float64", "list", "tuple of np.float64 and floats", "strided"))]
    given = [form(x) for form in forms for x in X]
    wrong = [[np.nan] * I, [0.0, "1", 0.0]]

    def many() -> list[np.ndarray]:
        for x in wrong:
            with suppress(InputError):
                stream.step(x)
        return [stream.step(x) for x in given]

    many()
    gc.collect()  # arrays that earlier tests have left hold these dtypes
    before = [sys.getrefcount(each) for each in shared]
    assert growth(many, 1_000_000 // len(given)) < 64 * 1024
    assert [sys.getrefcount(each) for each in shared] == before


def test_a_stream_is_freed_when_its_last_holder_goes() -> None:
    gc.disable()
    try:
        stream = Stream(MODEL)
        stream.step(X[0])
        alive = weakref.ref(stream)
        del stream
        assert alive() is None
    finally:
        gc.enable()


def test_the_function_outlives_its_stream(expected: np.ndarray) -> None:
    step = Stream(MODEL).step
    gc.collect()
    for x, y in zip(X, expected, strict=True):
        assert step(x).tobytes() == y.tobytes()
    assert step(X[0].tolist()).shape == (H,)


def test_a_busy_stream_refuses_the_call() -> None:
    stream = Stream(MODEL)
    before = stream.snapshot()
    with stream._door.entry_lock, pytest.raises(StreamBusyError):
        stream.step(X[0])
    assert stream.snapshot() == before


def test_steps_during_a_long_process_in_another_thread_are_refused_not_mixed_in() -> None:
    stream = Stream(MODEL)
    block = RNG.normal(size=(1_000_000, I)).astype(np.float32)
    expected = Stream(MODEL).process(block)
    results: list[np.ndarray] = []
    worker = threading.Thread(target=lambda: results.append(stream.process(block)))
    worker.start()
    refused = 0
    while worker.is_alive():
        try:
            stream.snapshot()
        except StreamBusyError:
            refused += 1
            with pytest.raises(StreamBusyError):
                stream.step(X[0])
            break
    worker.join()
    assert refused
    assert results[0].tobytes() == expected.tobytes()


def test_a_subclass_may_have_a_step_of_its_own() -> None:
    class Doubled(Stream):
        def step(self, x: Any, out: Any = None) -> Any:
            return 2 * super().step(x, out)

    assert np.array_equal(Doubled(MODEL).step(X[0]), 2 * Stream(MODEL).step(X[0]))


def test_the_plain_door_can_be_chosen(monkeypatch: pytest.MonkeyPatch, expected: np.ndarray) -> None:
    monkeypatch.setenv("STREAMRNN_DOOR", "plain")
    stream = Stream(MODEL)
    assert not isinstance(stream.step, types.BuiltinFunctionType)
    assert np.array([stream.step(x) for x in X]).tobytes() == expected.tobytes()


def test_an_unknown_layout_means_the_plain_door(monkeypatch: pytest.MonkeyPatch, expected: np.ndarray) -> None:
    monkeypatch.setattr(builtin, "layout_is_known", lambda: False)
    stream = Stream(MODEL)
    assert not isinstance(stream.step, types.BuiltinFunctionType)
    assert np.array([stream.step(x) for x in X]).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "name",
    ["TYPE", "DATA", "N_DIMENSIONS", "DTYPE", "FLAGS", "STRIDES", "TUPLE_SIZE", "TUPLE_ITEMS", "LIST_SIZE", "NUMBER"],
)
def test_the_layout_test_notices_a_field_elsewhere(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    builtin.layout_is_known.cache_clear()
    monkeypatch.setattr(builtin, name, getattr(builtin, name) + (-8 if name == "FLAGS" else 8))
    try:
        assert not builtin.layout_is_known()
    finally:
        builtin.layout_is_known.cache_clear()
