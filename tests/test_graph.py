"""Models whose layers have other sources than the layer before: skips, products, several inputs; and refused graphs."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn import (
    Activation,
    Arithmetic,
    Concat,
    Delay,
    Embedding,
    InputError,
    Layer,
    Model,
    ModelError,
    NonFiniteStateError,
    Pointwise,
    Reduce,
    Reverse,
    Select,
    Stream,
    Where,
    load,
)
from streamrnn.model.loops import is_loop, parts
from tests import reference
from tests.models import conv1d, dense, gru, lstm, one_width, quick, signal  # noqa: F401  (a fixture)

Array = np.ndarray[Any, Any]


def residual(rng: np.random.Generator, inputs: int = 5) -> Model:
    """y = x + dense(lstm(x)): the input is read twice."""
    return Model([lstm(rng, inputs, 9), dense(rng, 9, inputs), Arithmetic(inputs, "add")], sources=[(-1,), (0,), (-1, 1)])


def gated(rng: np.random.Generator) -> Model:
    """An input of two signals, one of which gates the other; the product is joined with both and the input, and convolved."""
    return Model(
        [
            Select(6, (0, 1)),
            Select(6, (2, 3, 4, 5)),
            gru(rng, 2, 7),
            lstm(rng, 4, 7),
            Pointwise(7, "sigmoid"),
            Arithmetic(7, "multiply"),
            Concat((7, 6, 2)),
            conv1d(rng, 15, 4),
        ],
        sources=[(-1,), (-1,), (0,), (1,), (2,), (4, 3), (5, -1, 0), (6,)],
    )


@st.composite
def graphs(draw: st.DrawFn, *further: str) -> Model:
    """A graph of a few layers. Each reads sources before it; the last one reads all outputs that no other layer has read.

    further  kinds that it may have besides the streamable ones: "reverse". Without them, values are fed back too
    """
    kinds = ["lstm", "gru", "dense", "conv1d", "pointwise", "select", "arithmetic", "concat", "delay", *further]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes, layers, sources = {-1: draw(st.integers(1, 20))}, [], []
    unread = {-1}

    def add(layer: Layer, *reads: int) -> None:
        unread.difference_update(reads)
        unread.add(len(layers))
        sizes[len(layers)] = layer.output_size
        layers.append(layer)
        sources.append(reads)

    source = -1
    for _ in range(draw(st.integers(1, 6))):
        size, outputs = sizes[source], draw(st.integers(1, 20))
        kind = draw(st.sampled_from(kinds))
        if kind == "delay":
            add(Delay(size, rng.uniform(-1, 1, size)), source)
        elif kind == "pointwise":
            add(Pointwise(size, draw(st.sampled_from(["tanh", "softsign"]))), source)
        elif kind == "reverse":
            add(Reverse(size), source)
        elif kind == "select":
            add(Select(size, tuple(rng.integers(0, size, outputs).tolist())), source)
        elif kind == "arithmetic":
            same = [other for other in sizes if sizes[other] == size]
            add(Arithmetic(size, draw(st.sampled_from(["add", "subtract", "multiply"]))), source, draw(st.sampled_from(same)))
        elif kind == "concat":
            reads = [source, *draw(st.lists(st.sampled_from(sorted(sizes)), max_size=3))]
            add(Concat(tuple(sizes[read] for read in reads)), *reads)
        else:
            build: Any = {"lstm": lstm, "gru": gru, "dense": dense, "conv1d": conv1d}[kind]
            add(build(rng, size, outputs), source)
        source = draw(st.sampled_from(sorted(sizes))) if layers else -1
    for index, layer in enumerate(layers):
        if layer.delays and not further:
            same = [other for other in range(len(layers)) if sizes[other] == layer.output_size]
            later = draw(st.sampled_from([sources[index][0], *same]))
            sources[index] = (later,)
    unread = {-1, *range(len(layers))}.difference(*sources)
    inner = {index for part in parts(sources) if is_loop(part, sources) for index in part}
    rest = sorted(unread | inner)
    add(Concat(tuple(sizes[read] for read in rest)), *rest)
    return Model(layers, sources=sources)


@quick
@given(whole=graphs(), cut=st.integers(0, 60))
def test_any_graph_is_the_reference_and_any_chunking_gives_the_same_bits(whole: Model, cut: int) -> None:
    x = signal(60, whole.input_size)
    at_once, in_parts = Stream(whole), Stream(whole)
    y = at_once.process(x)
    np.testing.assert_allclose(y, reference.run(whole, x)[0], rtol=0, atol=1e-5 * max(1.0, float(np.abs(y).max())))
    parts = [in_parts.process(x[:cut]), *(in_parts.step(row)[None] for row in x[cut : cut + 3]), in_parts.process(x[cut + 3 :])]
    assert np.concatenate(parts).tobytes() == y.tobytes()


@pytest.mark.parametrize("build", [residual, gated])
def test_graphs_by_hand_are_the_reference(build: Any) -> None:
    whole = build(np.random.default_rng(0))
    x = signal(500, whole.input_size)
    expected, states = reference.run(whole, x)
    stream = Stream(whole)
    np.testing.assert_allclose(stream.process(x), expected, rtol=0, atol=5e-6)
    for layer, ends in zip(stream.states, states, strict=True):
        for name, state in layer.items():
            np.testing.assert_allclose(state, ends[name], rtol=0, atol=5e-6)


ARITHMETIC = ["add", "subtract", "multiply", "divide", "maximum", "minimum"]
COMPARISONS = ["greater", "greater_equal", "less", "less_equal", "equal"]


def parts_of(size: int, n_parts: int) -> list[Any]:
    """Layers that give the parts of a step."""
    return [Select(n_parts * size, tuple(range(k * size, (k + 1) * size))) for k in range(n_parts)]


@pytest.mark.parametrize("operation", ARITHMETIC + COMPARISONS)
@pytest.mark.parametrize("size", [1, 3, 8, 17, 40])
def test_arithmetic_is_that_of_numpy_to_the_bit(operation: str, size: int) -> None:
    whole = Model([*parts_of(size, 2), Arithmetic(size, operation)], sources=[(-1,), (-1,), (0, 1)])
    x = signal(30, 2 * size)
    x[::3, :size] = x[::3, size:]  # some are equal
    function = getattr(np, operation)
    expected = np.asarray(function(x[:, :size], x[:, size:]), np.float32)
    assert Stream(whole).process(x).tobytes() == expected.tobytes()


@pytest.mark.parametrize("operation", ["maximum", "minimum", *COMPARISONS])
def test_comparisons_with_what_is_no_number_are_those_of_numpy(operation: str) -> None:
    """0 / 0 is NaN, which a signal must not have, but a layer may give."""
    layers = [*parts_of(9, 2), Arithmetic(9, "divide"), Arithmetic(9, operation), Arithmetic(9, operation), Concat((9, 9))]
    whole = Model(layers, sources=[(-1,), (-1,), (0, 0), (2, 1), (1, 2), (3, 4)])
    x = np.concatenate([np.zeros(9), np.ones(9)]).astype(np.float32)
    function = getattr(np, operation)
    nan, ones = np.full(9, np.nan, np.float32), np.ones(9, np.float32)
    np.testing.assert_array_equal(Stream(whole).step(x), np.concatenate([function(nan, ones), function(ones, nan)]))


@pytest.mark.parametrize("size", [1, 3, 17, 40])
def test_where_chooses_by_what_is_not_zero(size: int) -> None:
    whole = Model([*parts_of(size, 3), Where(size)], sources=[(-1,)] * 3 + [(0, 1, 2)])
    x = signal(30, 3 * size)
    x[::2, :size] = 0
    expected = np.where(x[:, :size] != 0, x[:, size : 2 * size], x[:, 2 * size :])
    assert Stream(whole).process(x).tobytes() == expected.tobytes()
    np.testing.assert_array_equal(expected, reference.run(whole, x)[0].astype(np.float32))


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "absolute", "reciprocal"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_function_of_each_value_is_that_of_numpy_to_a_few_last_bits(name: str, dtype: str) -> None:
    exponents = np.linspace(-80, 80, 4001) if name == "exp" else np.zeros(0)
    positive = np.geomspace(1e-30, 1e30, 4001)
    x = np.concatenate([exponents, positive, 1 + np.linspace(-1e-3, 1e-3, 1001)]).astype(dtype)
    if name == "exp":
        x = x[x < 80]
    y = Stream(Model([Pointwise(1, name, dtype)])).process(x[:, None])[:, 0]
    truth = reference.activate(name, x)
    unit = 2.0 ** (-23 if dtype == "float32" else -52)
    bound = 4 * unit * np.maximum(1, np.abs(x) if name == "exp" else 1) * np.abs(truth)
    assert (np.abs(y - truth) <= bound).all(), x[(np.abs(y - truth) - bound).argmax()]


@pytest.mark.parametrize("name", ["erf", "gelu", "gelu_tanh", "silu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_erf_gelu_and_silu_are_exact_to_two_units_in_the_last_place(
    name: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = np.geomspace(1e-30, 1, 2001)
    x = np.concatenate([np.linspace(-12, 12, 40_001), small, -small, 1 + np.linspace(-1e-6, 1e-6, 501)]).astype(dtype)
    answers = set()
    for lanes in "4", "16":
        monkeypatch.setenv("STREAMRNN_LANES", lanes)
        y = Stream(Model([Pointwise(1, name, dtype)])).process(x[:, None])[:, 0]
        answers.add(y.tobytes())
    assert len(answers) == 1  # the machine law
    error, unit = np.abs(y - reference.activate(name, x)), 2.0 ** (-23 if dtype == "float32" else -52)
    assert (error <= 2 * unit * np.maximum(1, np.abs(x))).all(), x[error.argmax()]
    near = np.abs(x) < 0.1
    assert (error[near] <= 2 * unit * np.abs(x[near])).all()


@pytest.mark.parametrize("name", ["sin", "cos"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sin_and_cos_are_exact_to_two_units_in_the_last_place(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the value, also near where it is 0; against long double."""
    rng, limit = np.random.default_rng(0), 2.0 ** (20 if dtype == "float32" else 40)
    near_zero = np.arange(1, 3000) * (np.pi / 2)
    x = np.concatenate(
        [np.linspace(-20, 20, 20_001), rng.uniform(-limit, limit, 20_000), near_zero, np.geomspace(1e-30, 1, 999)]
    )
    x = x.astype(dtype)
    answers = set()
    for lanes in "4", "16":
        monkeypatch.setenv("STREAMRNN_LANES", lanes)
        y = Stream(Model([Pointwise(1, name, dtype)])).process(x[:, None])[:, 0]
        answers.add(y.tobytes())
    assert len(answers) == 1  # the machine law
    truth = getattr(np, name)(x.astype(np.longdouble))
    unit = 2.0 ** (-23 if dtype == "float32" else -52)
    assert (np.abs(y - truth) <= 2 * unit * np.abs(truth)).all(), x[(np.abs(y - truth) / np.abs(truth)).argmax()]


@pytest.mark.parametrize("exponent", [0.3, -0.75, 1.0, -1.0, 1.5, 4.0, -7.0, 20.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_power_is_exact_to_some_units_in_the_last_place(exponent: float, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """4 + |exponent| units at most, over the whole range of numbers; beyond its ends it is 0 or infinite."""
    form = np.finfo(dtype)
    x = np.concatenate([np.geomspace(form.smallest_normal, form.max / 2, 9001), 1 + np.linspace(-1e-3, 1e-3, 1001)]).astype(
        dtype
    )
    if exponent == int(exponent):
        x = np.concatenate([x, -x])
    answers = set()
    for lanes in "4", "16":
        monkeypatch.setenv("STREAMRNN_LANES", lanes)
        y = Stream(Model([Pointwise(1, Activation("power", exponent), dtype)])).process(x[:, None])[:, 0]
        answers.add(y.tobytes())
    assert len(answers) == 1  # the machine law
    with np.errstate(all="ignore"):
        truth = np.power(x.astype(np.longdouble), np.dtype(dtype).type(exponent))
    normal = (np.abs(truth) > 2 * form.smallest_normal) & (np.abs(truth) < form.max / 2)
    error = np.abs(y[normal] - truth[normal]) / np.abs(truth[normal])
    assert error.max() <= (4 + abs(exponent)) * float(form.eps), x[normal][error.argmax()]
    assert (y[np.abs(truth) < form.smallest_normal / 2] == 0).all()
    assert np.isinf(y[np.abs(truth) > 2 * np.longdouble(form.max)]).all()


def test_powers_of_zero_and_of_negative_numbers_are_those_of_numpy() -> None:
    x = np.array([0.0, -2.0, 1.0, 3.0, 1e-45], np.float32)
    for exponent in (0.3, -0.3, 0.0, 4.0, 5.0, -5.0):
        y = Stream(Model([Pointwise(5, Activation("power", exponent))])).step(x)
        with np.errstate(all="ignore"):
            expected = np.power(np.where(x < 1e-38, np.minimum(x, 0), x), np.float32(exponent))
        np.testing.assert_allclose(y, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["sign", "floor", "ceil", "round"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding_is_that_of_numpy(name: str, dtype: str) -> None:
    whole = 2.0 ** (23 if dtype == "float32" else 52)
    steps = np.concatenate([np.linspace(-4, 4, 65), [whole / 2 - 0.5, whole / 2 + 0.5, whole + 1, 1e30, 0.49999997, 1e-30]])
    x = np.concatenate([steps, -steps]).astype(dtype)
    y = Stream(Model([Pointwise(x.size, name, dtype)])).step(x)
    np.testing.assert_array_equal(y, getattr(np, name)(x))


def test_a_sine_of_a_number_that_has_no_phase_is_nan() -> None:
    assert np.isnan(Stream(Model([Pointwise(3, "sin")])).step([1.1e6, -1e30, 3e38])).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_error_function_never_falls_and_reaches_one(dtype: str) -> None:
    x = np.linspace(-7, 7, 100_001).astype(dtype)
    y = Stream(Model([Pointwise(1, "erf", dtype)])).process(x[:, None])[:, 0]
    assert (np.diff(y) >= 0).all()
    assert y[0] == -1
    assert y[-1] == 1


def test_gelu_and_silu_of_huge_numbers_is_what_its_limits_are() -> None:
    x = np.array([3e38, 1e20, -1e20, -3e38, 0.0, 1e-45], np.float32)
    for name in "gelu", "gelu_tanh", "silu":
        y = Stream(Model([Pointwise(6, name)])).step(x)
        np.testing.assert_array_equal(y, np.where(x > 1, x, 0))


def test_functions_at_the_ends_of_their_range_are_those_of_numpy() -> None:
    x = np.array([0.0, -0.0, -1.0, 1e-45, 3.4e38, -3.4e38, 89.0, -104.0, 1.0], np.float32)
    for name, function in ("exp", np.exp), ("log", np.log), ("sqrt", np.sqrt), ("reciprocal", np.reciprocal):
        y = Stream(Model([Pointwise(9, name)])).step(x)
        with np.errstate(all="ignore"):
            expected = function(np.where(np.abs(x) < 1e-38, 0 * x, x) if name == "log" else x)
        expected = np.where(np.abs(expected) < 1.2e-38, 0, expected) if name == "exp" else expected
        np.testing.assert_allclose(y, expected, rtol=1e-5)


def test_a_clip_without_bounds_changes_nothing() -> None:
    x = signal(1, 9, loudness=1e30)[0]
    assert Stream(Model([Pointwise(9, Activation("clip"))])).step(x).tobytes() == x.tobytes()


@pytest.mark.parametrize("n", [1, 3, 16, 40])
def test_an_embedding_gives_its_entries(n: int) -> None:
    table = np.random.default_rng(0).normal(size=(7, n)).astype(np.float32)
    stream = Stream(Model([Embedding(table)]))
    assert stream.process([[index] for index in range(7)]).tobytes() == table.tobytes()


@pytest.mark.parametrize("index", [-1, 7, 0.5, 6.999, 1e9, -1e30, -0.25])
def test_what_is_no_entry_is_refused_and_the_state_left_as_it_was(index: float) -> None:
    rng = np.random.default_rng(0)
    stream = Stream(Model([Embedding(rng.normal(size=(7, 3))), gru(rng, 3, 4)]))
    stream.process([[3], [4]])
    before = stream.snapshot()
    for refused in (
        lambda: stream.step([index]),
        lambda: stream.step(np.float32([index])),
        lambda: stream.process([[1], [index]]),
    ):
        with pytest.raises(InputError, match="entry of the embedding"):
            refused()
        assert stream.snapshot() == before


def test_what_overflows_before_a_convolution_does_not_stay_in_its_past() -> None:
    rng = np.random.default_rng(0)
    stream = Stream(Model([dense(rng, 1, 2, gain=100), conv1d(rng, 2, 2)]))
    stream.step(1.0)
    before = stream.snapshot()
    with pytest.raises(NonFiniteStateError):
        stream.step(3e38)
    assert stream.snapshot() == before


def test_an_archive_keeps_the_graph(tmp_path: Path) -> None:
    whole = gated(np.random.default_rng(0))
    whole.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.sources == whole.sources
    assert again.fingerprint == whole.fingerprint == pickle.loads(pickle.dumps(whole)).fingerprint
    x = signal(20, 6)
    assert Stream(again).process(x).tobytes() == Stream(whole).process(x).tobytes()


def test_what_is_read_is_part_of_the_fingerprint() -> None:
    layers = [Pointwise(3, "tanh"), Pointwise(3, "relu"), Arithmetic(3, "subtract")]
    one = Model(layers, sources=[(-1,), (-1,), (0, 1)])
    other = Model(layers, sources=[(-1,), (-1,), (1, 0)])
    assert one.fingerprint != other.fingerprint
    assert Model(layers[:2]).fingerprint == Model(layers[:2], sources=[(-1,), (0,)]).fingerprint


def test_a_graph_prints_what_reads_what() -> None:
    assert "2: arithmetic(10, 5) of the input, layer 1" in repr(residual(np.random.default_rng(0)))


TANH, ADD = Pointwise(3, "tanh"), Arithmetic(3, "add")


@pytest.mark.parametrize(
    ("layers", "sources", "message"),
    [
        ([TANH], [], "0 given, but there are 1"),
        ([TANH], [(-1,), (0,)], "2 given"),
        ([TANH], 3, "not a sequence"),
        ([TANH], [3], "not a sequence"),
        ([TANH], [(0,)], "layer 0 (pointwise): source 0 is no earlier layer; only a Delay"),
        ([TANH], [(-2,)], "source -2 is"),
        ([TANH], [(None,)], "source None is"),
        ([TANH], [(True,)], "source True is"),
        ([TANH], [(-1.0,)], "source -1.0 is"),
        ([TANH], [()], "needs 1 sources, but 0 are given"),
        ([TANH, ADD], [(-1,), (0,)], "needs 2 sources, but 1"),
        ([TANH, ADD], None, "needs 2 sources, but 1"),
        ([TANH, TANH], [(-1,), (1,)], "layer 1 (pointwise): source 1 is no earlier layer"),
        ([TANH, TANH], [(-1,), (2,)], "source 2 is neither the index of a layer"),
        ([TANH, ADD, TANH], [(-1,), (0, 2), (1,)], "layer 1 (arithmetic): source 2 is no earlier layer; only a Delay may"),
        ([Delay(4), Concat((3, 4))], [(1,), (-1, 0)], "layer 0 (delay): takes 4 values, but layer 1 (concat) gives 7"),
        ([Delay(3), Delay(3), TANH], [(1,), (0,), (-1,)], "layer 0, layer 1: no layer outside reads them"),
        ([Delay(3), Reverse(3), ADD], [(1,), (2,), (-1, 0)], "layer 1 (reverse): source 2"),
        ([Delay(3), ADD, Reverse(3)], [(2,), (-1, 0), (1,)], "layer 2 (reverse): is in a loop, but needs the end of"),
        ([TANH, TANH, ADD], [(-1,), (0,), (0, 0)], "no layer reads layer 1; leave it out"),
        ([TANH, Pointwise(4, "tanh")], [(-1,), (0,)], "takes 4 values, but layer 0 (pointwise) gives 3"),
        ([TANH, Concat((3, 4))], [(-1,), (0, -1)], "takes 4 values, but the input gives 3"),
    ],
)
def test_what_forms_no_graph_is_refused_by_place(layers: Any, sources: Any, message: str) -> None:
    with pytest.raises(ModelError) as refused:
        Model(layers, sources=sources)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Pointwise(0, "tanh"),
        lambda: Pointwise(2.0, "tanh"),  # type: ignore[arg-type]
        lambda: Pointwise(True, "tanh"),
        lambda: Pointwise(3, "softmax"),
        lambda: Pointwise(3, "swosh"),
        lambda: Arithmetic(3, "power"),
        lambda: Where(0),
        lambda: Arithmetic(3, ["add"]),  # type: ignore[arg-type]
        lambda: Concat(()),
        lambda: Concat((3, 0)),
        lambda: Concat(3),  # type: ignore[arg-type]
        lambda: Select(3, ()),
        lambda: Select(3, (3,)),
        lambda: Select(3, (-1,)),
        lambda: Select(3, (0.5,)),  # type: ignore[arg-type]
        lambda: Select(3, None),  # type: ignore[arg-type]
        lambda: Select(3, (5,), constants=[1, 2]),  # type: ignore[arg-type]
        lambda: Reduce(0, 3, "sum"),
        lambda: Reduce(3, 3, "median"),
        lambda: Reduce(1 << 25, 1, "argmax"),
        lambda: Reverse(0),
        lambda: Reverse(3, "float16"),
        lambda: Delay(0),
        lambda: Delay(3, [1.0, 2.0]),
        lambda: Delay(2, [1.0, np.nan]),
    ],
)
def test_sizes_and_options_that_cannot_be_are_refused(build: Any) -> None:
    with pytest.raises(ModelError):
        build()
