"""The door law (input validation): no unchecked argument reaches a kernel, and a refused call leaves the state unchanged."""

import functools
import gc
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn import InputError, Stream, StreamBusyError, StreamRNNError
from tests.models import mixed, model, name_of, quick, signal

N_INPUTS = 3
GOOD = np.array([0.5, -1.25, 2.0], np.float32)


class Subclass(np.ndarray):
    pass


class WithArray:
    """Not an array, but it can become one."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.value, dtype)


class Sequence:
    """Neither list nor array, but it has a length and items."""

    def __len__(self) -> int:
        return N_INPUTS

    def __getitem__(self, index: int) -> float:
        return float(GOOD[index])


class Lying(Sequence):
    """It says that it has a billion items."""

    def __len__(self) -> int:
        return 10**9


def read_only(array: Any) -> Any:
    array = array.copy()
    array.flags.writeable = False
    return array


def unaligned(array: Any) -> Any:
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype)[: array.size].reshape(array.shape)
    view[...] = array
    assert not view.flags.aligned
    return view


#: What holds the numbers of an array in another way. All of it must be understood, to the last bit.
TWINS: dict[str, Callable[[Any], Any]] = {
    "float64": lambda a: a.astype(np.float64),
    "float16": lambda a: a.astype(np.float16),
    "long double": lambda a: a.astype(np.longdouble),
    "big-endian": lambda a: a.astype(">f4"),
    "big-endian float64": lambda a: a.astype(">f8"),
    "every second": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: a[..., ::-1].copy()[..., ::-1],
    "upside down": lambda a: a[::-1].copy()[::-1],
    "Fortran": np.asfortranarray,
    "unaligned": unaligned,
    "read-only": read_only,
    "subclass": lambda a: a.copy().view(Subclass),
    "memmap-like buffer": lambda a: memoryview(a.copy()),
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(a.tolist()),
    "numpy scalars": lambda a: list(a),
    "masked array without a mask": np.ma.masked_array,
    "object with __array__": WithArray,
    "wide view": lambda a: np.concatenate([a, a], axis=-1)[..., : a.shape[-1]],
}

WRONG_TYPES: dict[str, Any] = {
    "None": None,
    "text": "abc",
    "a number as text": "1.5",
    "texts": ["1", "2", "3"],
    "bytes": b"abc",
    "an array of text": np.array(["a", "b", "c"]),
    "an array of bytes": np.array([b"a", b"b", b"c"]),
    "complex": GOOD.astype(np.complex64),
    "complex numbers": [1j, 2j, 3j],
    "objects": np.array([1.0, 2.0, 3.0], object),
    "fractions": [Fraction(1, 2)] * 3,
    "decimals": [Decimal(1)] * 3,
    "dates": np.array(["2020-01-01"] * 3, "datetime64[D]"),
    "durations": np.array([1, 2, 3], "timedelta64[s]"),
    "records": np.zeros(3, [("a", np.float32)]),
    "void": np.zeros(3, "V4"),
    "a set": {1.0, 2.0, 3.0},
    "a dict": {0: 1.0},
    "a generator": (value for value in [1.0, 2.0, 3.0]),
    "an object": object(),
    "a class": np.ndarray,
    "a module": np,
    "a function": len,
    "None in a list": [1.0, None, 2.0],
    "a ragged list": [[1.0, 2.0], [3.0]],
    "an array in a list": [np.ones(3), 1.0, 2.0],
    "masked values": np.ma.masked_array(GOOD, [False, True, False]),
    "an object with a bad __array__": WithArray(["a", "b", "c"]),
    "an Ellipsis": ...,
    "a huge int": [10**400, 1, 2],
}

WRONG_SHAPES: dict[str, Any] = {
    "0-d": np.float32(1),
    "a number": 1.0,
    "too short": GOOD[:2],
    "too long": np.ones(4, np.float32),
    "empty": np.zeros(0, np.float32),
    "an empty list": [],
    "nested": [[[1.0, 2.0, 3.0]]],
    "deeply nested": np.ones((1,) * 30 + (N_INPUTS,), np.float32),
    "3-d": np.ones((1, 1, 3), np.float32),
    "0 x 0": np.zeros((0, 0), np.float32),
    "0 x 2": np.zeros((0, 2), np.float32),
    "3 x 0": np.zeros((3, 0), np.float32),
    "n x 2": np.ones((5, 2), np.float32),
    "n x 4": np.ones((5, 4), np.float32),
    "huge": np.broadcast_to(np.float32(0), (2**40,)),
    "huge x huge": np.broadcast_to(np.float32(0), (2**29, 2**29)),
    "huge float64": np.broadcast_to(np.float64(0), (2**40, 2)),
    "huge float64 vector": np.broadcast_to(np.float64(0), (2**40,)),
}


@pytest.fixture(scope="module")
def stream() -> Stream:
    stream = Stream(mixed(N_INPUTS))
    stream.process(signal(7, N_INPUTS))
    return stream


def assert_refused(stream: Stream, call: Callable[[Any], Any], argument: Any, error: type[Exception] = InputError) -> None:
    before = stream.snapshot()
    with pytest.raises(error) as caught:
        call(argument)
    assert isinstance(caught.value, StreamRNNError)
    assert stream.snapshot() == before


@pytest.mark.parametrize("what", WRONG_TYPES)
@pytest.mark.parametrize("call", ["step", "process"])
def test_a_wrong_type_is_refused_and_the_state_left_as_it_was(call: str, what: str, stream: Stream) -> None:
    assert_refused(stream, getattr(stream, call), WRONG_TYPES[what])


@pytest.mark.parametrize("what", WRONG_SHAPES)
@pytest.mark.parametrize("call", ["step", "process"])
def test_a_wrong_shape_is_refused_and_the_state_left_as_it_was(call: str, what: str, stream: Stream) -> None:
    assert_refused(stream, getattr(stream, call), WRONG_SHAPES[what])


def test_step_and_process_do_not_take_each_others_shape(stream: Stream) -> None:
    assert_refused(stream, stream.step, GOOD[None])
    assert_refused(stream, stream.process, GOOD)


def test_a_refusal_says_what_was_expected(stream: Stream) -> None:
    with pytest.raises(InputError, match=r"step: shape \(2,\).*expected \(3,\)"):
        stream.step([1, 2])
    with pytest.raises(InputError, match=r"process: shape \(3,\).*expected \(n_steps, 3\)"):
        stream.process(GOOD)


@pytest.mark.parametrize("what", TWINS)
def test_the_same_numbers_in_any_guise_give_the_same_bits(what: str) -> None:
    whole = mixed(N_INPUTS)
    plain, disguised = Stream(whole), Stream(whole)
    x = signal(40, N_INPUTS).astype(np.float16).astype(np.float32)
    for row in x[:20]:
        assert disguised.step(TWINS[what](row)).tobytes() == plain.step(row).tobytes()
    assert disguised.process(TWINS[what](x[20:])).tobytes() == plain.process(x[20:]).tobytes()
    assert disguised.snapshot() == plain.snapshot()


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint64", "bool"])
def test_whole_numbers_are_numbers(dtype: str) -> None:
    whole = mixed(N_INPUTS)
    x = np.random.default_rng(0).integers(0, 2, (10, N_INPUTS)).astype(dtype)
    assert Stream(whole).process(x).tobytes() == Stream(whole).process(x.astype(np.float32)).tobytes()


def test_a_sequence_that_is_no_list_is_read_like_one(stream: Stream) -> None:
    other = Stream(stream.model)
    other.restore(stream.snapshot())
    assert stream.step(Sequence()).tobytes() == other.step(GOOD).tobytes()  # type: ignore[arg-type]


def test_a_number_is_a_step_of_one_input() -> None:
    whole = model("lstm", inputs=1)
    expected = Stream(whole).step(np.array([0.5], np.float32)).tobytes()
    for x in 0.5, np.float32(0.5), np.float64(0.5), [0.5], np.array(0.5):
        assert Stream(whole).step(x).tobytes() == expected


@quick
@given(
    n_steps=st.integers(1, 40),
    strides=st.tuples(st.sampled_from([-3, -2, -1, 1, 2, 3]), st.sampled_from([-3, -2, -1, 1, 2, 3])),
    order=st.sampled_from("CF"),
    dtype=st.sampled_from(["<f4", ">f4", "<f8", ">f8"]),
)
def test_any_strided_view_gives_the_same_bits(n_steps: int, strides: tuple[int, int], order: Any, dtype: str) -> None:
    whole = mixed(N_INPUTS)
    x = signal(n_steps, N_INPUTS)
    block = np.full((n_steps * 3, N_INPUTS * 3), np.nan, dtype, order=order)
    view = block[:: strides[0], :: strides[1]][:n_steps, :N_INPUTS]
    view[...] = x
    plain, strided = Stream(whole), Stream(whole)
    assert strided.process(view).tobytes() == plain.process(x).tobytes()
    assert strided.step(view[-1]).tobytes() == plain.step(x[-1]).tobytes()
    assert strided.snapshot() == plain.snapshot()


def test_a_broadcast_row_is_many_steps() -> None:
    whole = mixed(N_INPUTS)
    repeated = np.broadcast_to(GOOD, (50, N_INPUTS))
    assert Stream(whole).process(repeated).tobytes() == Stream(whole).process(repeated.copy()).tobytes()


WRONG_OUTS: dict[str, Any] = {
    "too short": np.zeros(3, np.float32),
    "too long": np.zeros(5, np.float32),
    "float64": np.zeros(4),
    "int32": np.zeros(4, np.int32),
    "big-endian": np.zeros(4, ">f4"),
    "read-only": read_only(np.zeros(4, np.float32)),
    "2-d": np.zeros((1, 4), np.float32),
    "0-d": np.zeros((), np.float32),
    "subclass": np.zeros(4, np.float32).view(Subclass),
    "a list": [0.0] * 4,
    "bytes": bytearray(16),
    "a number": 0.0,
}


@pytest.mark.parametrize("what", WRONG_OUTS)
def test_an_out_that_does_not_fit_is_refused_and_not_written_to(what: str, stream: Stream) -> None:
    out = WRONG_OUTS[what]
    content = bytes(np.asarray(out))
    for x in GOOD, GOOD.tolist():
        assert_refused(stream, lambda _, x=x: stream.step(x, out), None)
        assert_refused(stream, lambda _, x=x: stream.step(x, out=out), None)
    assert bytes(np.asarray(out)) == content


@pytest.mark.parametrize("what", ["plain", "strided", "backwards", "unaligned"])
def test_an_out_gets_the_same_bits_and_nothing_around_it_changes(what: str) -> None:
    whole = mixed(N_INPUTS)
    plain, given_out = Stream(whole), Stream(whole)
    raw = np.full(50, 7, np.uint8)
    around = np.full(12, 7, np.float32)
    outs = {
        "plain": around[4:8],
        "strided": around[2:10:2],
        "backwards": around[7:3:-1],
        "unaligned": raw[17:33].view(np.float32),
    }
    out = outs[what]
    for row in signal(20, N_INPUTS):
        assert given_out.step(row, out) is out
        assert out.tobytes() == plain.step(row).tobytes()
    out[:] = 7
    assert (around == 7).all()
    assert (np.concatenate([raw[:17], raw[33:]]) == 7).all()


@pytest.mark.parametrize("shift", [-2, -1, 0, 1, 2])
def test_an_out_may_overlap_the_input(shift: int) -> None:
    whole = model("lstm", inputs=4, hidden=4)
    plain, given_out = Stream(whole), Stream(whole)
    memory = np.zeros(12, np.float32)
    x, out = memory[4:8], memory[4 + shift : 8 + shift]
    for row in signal(20, 4):
        x[:] = row
        assert given_out.step(x, out).tobytes() == plain.step(row).tobytes()


def test_a_refused_step_leaves_out_as_it_was(stream: Stream) -> None:
    out = np.full(4, 7, np.float32)
    for x in np.array([1, np.nan, 0], np.float32), [1.0, np.inf, 0.0], np.ones(2, np.float32), "abc":
        with pytest.raises(InputError):
            stream.step(x, out)
    assert (out == 7).all()


SPOILERS: dict[str, Callable[[Any], Any]] = {
    "given another shape": lambda y: setattr(y, "shape", (2, 2)),
    "given another type": lambda y: setattr(y, "dtype", np.int32),
    "made read-only": lambda y: setattr(y.flags, "writeable", False),
    "resized": lambda y: y.resize(1000, refcheck=False),
    "shrunk": lambda y: y.resize(1, refcheck=False),
    "viewed": lambda y: y[1:],
    "exported": memoryview,
    "overwritten": lambda y: y.fill(np.nan),
}


@pytest.mark.filterwarnings("ignore:Setting the (shape|dtype)")
@pytest.mark.parametrize("what", SPOILERS)
def test_whatever_is_done_to_a_result_the_next_ones_are_right(what: str) -> None:
    whole = mixed(N_INPUTS)
    plain, spoiled = Stream(whole), Stream(whole)
    held: list[Any] = []
    for index, row in enumerate(signal(60, N_INPUTS)):
        expected, y = plain.step(row), spoiled.step(row)
        assert (y.shape, y.dtype, y.flags.writeable) == (expected.shape, expected.dtype, True)
        assert y.tobytes() == expected.tobytes()
        held.append(SPOILERS[what](y))
        if index % 7 == 0:
            held.clear()


def test_the_method_outlives_its_stream() -> None:
    expected = Stream(mixed(N_INPUTS)).step(GOOD).tobytes()
    step = Stream(mixed(N_INPUTS)).step
    gc.collect()
    assert step(GOOD).tobytes() == expected


def test_step_can_be_called_in_every_way_that_python_has() -> None:
    whole = mixed(N_INPUTS)
    expected = Stream(whole).step(GOOD).tobytes()
    calls: dict[str, Callable[[Stream], Any]] = {
        "star": lambda s: s.step(*[GOOD]),
        "keyword": lambda s: s.step(x=GOOD),
        "both keywords": lambda s: s.step(out=None, x=GOOD),
        "mapping": lambda s: s.step(**{"x": GOOD}),
        "partial": lambda s: functools.partial(s.step, GOOD)(),
        "map": lambda s: next(map(s.step, [GOOD])),
        "class": lambda s: Stream.step(s, GOOD),
        "out": lambda s: s.step(GOOD, np.zeros(4, np.float32)),
        "out by name": lambda s: s.step(GOOD, out=np.zeros(4, np.float32)),
        "no out": lambda s: s.step(GOOD, None),
    }
    for name, call in calls.items():
        assert call(Stream(whole)).tobytes() == expected, name


def test_a_call_without_any_argument_is_a_type_error() -> None:
    """Also from C, where no arguments may mean no address of arguments."""
    with pytest.raises(TypeError):
        next(iter(Stream(mixed(N_INPUTS)).step, None))


@pytest.mark.parametrize("names", [{"y": GOOD}, {"x": GOOD, "y": None}, {"out": None}], ids=str)
def test_a_wrong_keyword_is_a_type_error(names: dict[str, Any], stream: Stream) -> None:
    before = stream.snapshot()
    with pytest.raises(TypeError):
        stream.step(**names)
    assert stream.snapshot() == before


def test_threads_that_keep_what_they_get_never_share_it() -> None:
    """They also race for the memory that results come from."""
    stream = Stream(model("rnn-tanh", inputs=N_INPUTS))
    kept: list[tuple[Any, Any]] = []

    def work() -> None:
        for _ in range(3000):
            try:
                y = stream.step(GOOD)
            except StreamBusyError:
                continue
            kept.append((y, y.copy()))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert all(y.tobytes() == copy.tobytes() for y, copy in kept)
    assert len({id(y) for y, _ in kept}) == len(kept)


@pytest.mark.parametrize("arguments", [(), (GOOD, None, GOOD)], ids=["none", "three"])
def test_a_wrong_number_of_arguments_leaves_the_state_as_it_was(arguments: tuple[Any, ...], stream: Stream) -> None:
    before = stream.snapshot()
    for call in stream.step, stream.process:
        with pytest.raises(TypeError):
            call(*arguments)
    assert stream.snapshot() == before


def test_an_object_whose_conversion_fails_leaves_the_state_as_it_was(stream: Stream) -> None:
    class Failing:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise ZeroDivisionError("its own error")

    before = stream.snapshot()
    for call in stream.step, stream.process:
        with pytest.raises(InputError, match="its own error"):
            call(Failing())
    assert stream.snapshot() == before
    stream.step(GOOD)


def test_an_object_that_steps_while_it_is_converted_cannot_corrupt_the_stream() -> None:
    whole = mixed(N_INPUTS)
    stream, plain = Stream(whole), Stream(whole)

    class Meddling:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            stream.step(GOOD)
            return GOOD

    try:
        stream.step(Meddling())  # type: ignore[arg-type]
        taken = 2
    except StreamBusyError:
        taken = 0
    for _ in range(taken):
        plain.step(GOOD)
    assert stream.snapshot() == plain.snapshot()
    stream.step(GOOD)


@pytest.mark.parametrize("other", [None, 3, "model", mixed, b"", object()], ids=name_of)
def test_only_a_model_becomes_a_stream(other: object) -> None:
    with pytest.raises(StreamRNNError, match="Model"):
        Stream(other)  # type: ignore[arg-type]


def test_two_threads_in_one_stream_are_refused_or_right_but_never_corrupt_it() -> None:
    whole = model("lstm", "gru-reset-before", inputs=N_INPUTS, hidden=40)
    stream, alone = Stream(whole), Stream(whole)
    block = signal(3000, N_INPUTS)
    taken: list[int] = []
    refused: list[int] = []
    start = threading.Barrier(2)

    def work() -> None:
        start.wait()
        for _ in range(60):
            try:
                stream.process(block)
                taken.append(1)
            except StreamBusyError:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) + len(refused) == 120
    assert taken
    for _ in taken:
        alone.process(block)
    assert stream.snapshot() == alone.snapshot()


def test_a_stream_that_another_thread_is_in_says_so_and_goes_on() -> None:
    whole = model("lstm", inputs=N_INPUTS, hidden=64)
    stream, alone = Stream(whole), Stream(whole)
    block = signal(400_000, N_INPUTS)
    worker = threading.Thread(target=stream.process, args=[block])
    worker.start()
    refused = set()
    calls: dict[str, Callable[[], Any]] = {
        "step": lambda: stream.step(GOOD),
        "process": lambda: stream.process(GOOD[None]),
        "snapshot": stream.snapshot,
        "restore": lambda: stream.restore(alone.snapshot()),
        "states": lambda: stream.states,
        "reset": stream.reset,
    }
    while not refused and worker.is_alive():  # until the worker is inside
        try:
            stream.states  # noqa: B018 - the access is the test
        except StreamBusyError:
            refused.add("states")
    for name, call in calls.items():
        with pytest.raises(StreamBusyError, match="thread"):
            call()
        refused.add(name)
    worker.join()
    assert refused == set(calls)
    alone.process(block)
    assert stream.snapshot() == alone.snapshot()
    assert stream.step(GOOD).tobytes() == alone.step(GOOD).tobytes()


def test_streams_of_one_model_run_in_threads_side_by_side() -> None:
    whole = mixed(N_INPUTS)
    x = signal(20_000, N_INPUTS)
    expected = Stream(whole).process(x).tobytes()
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(Stream(whole).process(x).tobytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4
