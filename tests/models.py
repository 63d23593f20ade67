"""Random models of every kind and variant, seeded, and the hypothesis strategies that draw them.

Weights are drawn like torch's, from U(-1/sqrt(H), 1/sqrt(H)), times a gain; initial states and every other array that a layer
may have are drawn too, so that no two numbers are the same and none is zero by chance.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamrnn import (
    GRU,
    LSTM,
    RNN,
    Activation,
    Affine,
    Arithmetic,
    Bank,
    Concat,
    Conv1d,
    Delay,
    Dense,
    Depthwise,
    Frame,
    Layer,
    LayerNorm,
    Model,
    Pointwise,
    PRelu,
    Reduce,
    Rows,
    Scan,
    Select,
    Softmax,
    StateOutput,
    cell,
)
from streamrnn.functions import fma, sigmoid, tanh

Array = NDArray[np.float32]
Rng = np.random.Generator

#: Few examples, always the same ones.
quick = settings(derandomize=True, max_examples=15, deadline=None)


@pytest.fixture(autouse=True, scope="module")
def one_width() -> Iterator[None]:
    """In a module that imports it, every kernel is compiled for one width only, which saves a minute.

    tests/layers/test_widths.py tries those that this CPU would choose; the machine law says that all give the same bits.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMRNN_LANES", "8")
        yield


#: Hidden sizes around the multiples of every vector width and panel, odd ones and primes.
SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 23, 24, 25, 31, 32, 33, 40, 41, 47, 48, 49, 63, 64, 65, 97, 128, 131, 257, 300]

#: Element-wise activations with parameters that are not the defaults.
ACTIVATIONS = [
    Activation("linear"),
    Activation("affine", 0.7, -0.1),
    Activation("relu"),
    Activation("leaky_relu", 0.2),
    Activation("thresholded_relu", 0.3),
    Activation("tanh"),
    Activation("scaled_tanh", 1.3, 0.6),
    Activation("sigmoid"),
    Activation("hard_sigmoid", 0.3, 0.4),
    Activation("elu", 1.4),
    Activation("softsign"),
    Activation("softplus"),
]


def uniform(rng: Rng, bound: float, *shape: int) -> Array:
    """Numbers from U(-bound, bound)."""
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def lstm(rng: Rng, inputs: int, hidden: int, gain: float = 1.0, *, outputs: int | None = None, **options: Any) -> LSTM:
    """An LSTM; with `outputs` a projected one; `peepholes=True` draws them."""
    bound = gain / math.sqrt(hidden)
    if options.get("peepholes"):
        options["peepholes"] = uniform(rng, bound, 3, hidden)
    return LSTM(
        uniform(rng, bound, 4, hidden, inputs),
        uniform(rng, bound, 4, hidden, outputs or hidden),
        uniform(rng, bound, 4, hidden),
        projection=uniform(rng, bound, outputs, hidden) if outputs else None,
        initial_hidden=uniform(rng, 0.9, outputs or hidden),
        initial_cell=uniform(rng, 2.0, hidden),
        **options,
    )


def gru(rng: Rng, inputs: int, hidden: int, gain: float = 1.0, **options: Any) -> GRU:
    bound = gain / math.sqrt(hidden)
    if options.get("form") != "reset-before":
        options["recurrent_bias"] = uniform(rng, bound, hidden)
    return GRU(
        uniform(rng, bound, 3, hidden, inputs),
        uniform(rng, bound, 3, hidden, hidden),
        uniform(rng, bound, 3, hidden),
        initial_hidden=uniform(rng, 0.9, hidden),
        **options,
    )


def rnn(rng: Rng, inputs: int, hidden: int, gain: float = 1.0, **options: Any) -> RNN:
    bound = gain / math.sqrt(hidden)
    return RNN(
        uniform(rng, bound, 1, hidden, inputs),
        uniform(rng, bound, 1, hidden, hidden),
        uniform(rng, bound, 1, hidden),
        initial_hidden=uniform(rng, 0.9, hidden),
        **options,
    )


def dense(rng: Rng, inputs: int, outputs: int, gain: float = 1.0, **options: Any) -> Dense:
    bound = gain / math.sqrt(inputs)
    return Dense(uniform(rng, bound, outputs, inputs), uniform(rng, bound, outputs), **options)


def conv1d(rng: Rng, inputs: int, outputs: int, gain: float = 1.0, *, taps: int = 3, dilation: int = 1) -> Conv1d:
    bound = gain / math.sqrt(inputs * taps)
    return Conv1d(uniform(rng, bound, outputs, inputs, taps), uniform(rng, bound, outputs), dilation)


def depthwise(rng: Rng, outputs: int, taps: int, gain: float = 1.0) -> Depthwise:
    return Depthwise(uniform(rng, gain / math.sqrt(taps), outputs, taps), uniform(rng, gain, outputs))


def _gates(r, z, h):  # type: ignore[no-untyped-def]
    return sigmoid(r) * h, sigmoid(z)


@cell(
    "own_cell",
    version=1,
    states=["h", "c"],
    passes=[(_gates, ["reset_h", "update"], {"x": "r z", "h": "r z"})],
    sums={"x": "n", "reset_h": "n"},
    per_unit=["p"],
)
def OwnCell(n, update, p, h, c):  # type: ignore[no-untyped-def]  # noqa: N802 - a class
    """A cell of a user: two passes, two states, a vector per unit."""
    c = fma(update, c, (1 - update) * tanh(fma(p, c, n)))
    return (1 - update) * c + update * h, c


def own_cell(rng: Rng, inputs: int, hidden: int, gain: float = 1.0) -> Layer:
    bound = gain / math.sqrt(hidden)
    return OwnCell(
        input_weights=uniform(rng, bound, 3, hidden, inputs),
        h_weights=uniform(rng, bound, 2, hidden, hidden),
        reset_h_weights=uniform(rng, bound, 1, hidden, hidden),
        bias=uniform(rng, bound, 3, hidden),
        p=uniform(rng, bound, hidden),
        initial_h=uniform(rng, 0.9, hidden),
        initial_c=uniform(rng, 0.9, hidden),
    )


Build = Callable[[Rng, int, int, float], Layer]


def _with(build: Callable[..., Layer], **options: Any) -> Build:
    return lambda rng, inputs, hidden, gain=1.0: build(rng, inputs, hidden, gain, **options)


def _projected(**options: Any) -> Build:
    return lambda rng, inputs, hidden, gain=1.0: lstm(rng, inputs, hidden, gain, outputs=1 + hidden // 2, **options)


def _rows(inputs: int) -> int:
    """Rows into which a step of so many values can be cut."""
    return next((count for count in (4, 3, 5, 2, 11, 17) if inputs % count == 0), 1)


def _on_rows(holder: type[Rows | Bank | Scan], build: Callable[..., Layer], **options: Any) -> Build:
    """A small layer on the rows of a step."""

    def made(rng: Rng, inputs: int, hidden: int, gain: float = 1.0) -> Layer:
        rows = _rows(inputs)
        return holder(build(rng, inputs // rows, 1 + hidden // 8, gain, **options), rows)

    return made


def _giving(state: str, build: Build) -> Build:
    """A layer that gives one of its states."""
    return lambda rng, inputs, hidden, gain=1.0: StateOutput(build(rng, inputs, hidden, gain), state)


def _reduced(operation: str) -> Build:
    return lambda rng, inputs, hidden, gain=1.0: Reduce(_rows(inputs), inputs // _rows(inputs), operation)


_EXOTIC = (Activation("hard_sigmoid", 0.3, 0.4), Activation("scaled_tanh", 1.3, 0.6), Activation("softsign"))

#: name -> builder (rng, inputs, hidden, gain) of a layer: every kind with every option, and every kernel at least once.
VARIANTS: dict[str, Build] = {
    "lstm": _with(lstm),
    "lstm-peepholes": _with(lstm, peepholes=True),
    "lstm-coupled": _with(lstm, coupled=True),
    "lstm-clipped": _with(lstm, clip=0.3),
    "lstm-other-activations": _with(lstm, activations=_EXOTIC),
    "lstm-projected": _projected(),
    "lstm-with-everything": _projected(peepholes=True, coupled=True, clip=0.5, activations=_EXOTIC),
    "gru-reset-after": _with(gru),
    "gru-reset-before": _with(gru, form="reset-before"),
    "gru-reset-after-with-everything": _with(gru, clip=0.4, activations=_EXOTIC[:2]),
    "gru-reset-before-with-everything": _with(gru, form="reset-before", clip=0.4, activations=_EXOTIC[:2]),
    "rnn-tanh": _with(rnn),
    "rnn-relu": _with(rnn, activations=("relu",)),
    "rnn-with-everything": _with(rnn, clip=0.4, activations=_EXOTIC[1:2]),
    "own-cell": _with(own_cell),
    "state-output-lstm": _giving("c", _with(lstm)),
    "state-output-projected-lstm": _giving("c", _projected()),
    "dense-linear": _with(dense),
    "dense-tanh": _with(dense, activation="tanh"),
    "dense-sigmoid": _with(dense, activation="sigmoid"),
    "dense-relu": _with(dense, activation="relu"),
    "dense-softmax": _with(dense, activation="softmax"),
    "dense-elu": _with(dense, activation=Activation("elu", 1.4)),
    "conv1d": lambda rng, inputs, hidden, gain=1.0: conv1d(rng, inputs, hidden, gain),
    "conv1d-dilated": lambda rng, inputs, hidden, gain=1.0: conv1d(rng, inputs, hidden, gain, taps=2, dilation=3),
    "delay": lambda rng, inputs, hidden, gain=1.0: Delay(inputs, uniform(rng, 0.9, inputs)),
    "pointwise-tanh": lambda rng, inputs, hidden, gain=1.0: Pointwise(inputs, "tanh"),
    "pointwise-sigmoid": lambda rng, inputs, hidden, gain=1.0: Pointwise(inputs, "sigmoid"),
    "pointwise-relu": lambda rng, inputs, hidden, gain=1.0: Pointwise(inputs, "relu"),
    "pointwise-clip": lambda rng, inputs, hidden, gain=1.0: Pointwise(inputs, Activation("clip", -0.3, 0.7)),
    "prelu": lambda rng, inputs, hidden, gain=1.0: PRelu(uniform(rng, gain, inputs)),
    "affine": lambda rng, inputs, hidden, gain=1.0: Affine(uniform(rng, gain, inputs), uniform(rng, gain, inputs)),
    "softmax": lambda rng, inputs, hidden, gain=1.0: Softmax(inputs),
    "layernorm": lambda rng, inputs, hidden, gain=1.0: LayerNorm(uniform(rng, gain, inputs), uniform(rng, gain, inputs), 0.1),
    "select-part": lambda rng, inputs, hidden, gain=1.0: Select(inputs, tuple(range(inputs // 2, inputs))),
    "select-any-order": lambda rng, inputs, hidden, gain=1.0: Select(inputs, tuple(rng.integers(0, inputs, hidden).tolist())),
    "select-with-constants": lambda rng, inputs, hidden, gain=1.0: Select(
        inputs, tuple(rng.integers(0, inputs + 5, hidden).tolist()), constants=uniform(rng, gain, 5)
    ),
    "select-runs": lambda rng, inputs, hidden, gain=1.0: Select(
        inputs, tuple(range(inputs)) * 3 + tuple(range(inputs, inputs + 9)), constants=uniform(rng, gain, 9)
    ),
    "depthwise": lambda rng, inputs, hidden, gain=1.0: depthwise(rng, inputs // _rows(inputs), _rows(inputs), gain),
    **{f"reduce-{name}": _reduced(name) for name in ("sum", "mean", "max", "min", "l1", "l2", "argmax", "argmin")},
    "rows-dense": _on_rows(Rows, dense),
    "rows-softmax": lambda rng, inputs, hidden, gain=1.0: Rows(Softmax(inputs // _rows(inputs)), _rows(inputs)),
    "bank-gru": _on_rows(Bank, gru),
    "bank-projected-lstm": _on_rows(Bank, lstm, outputs=2),
    "bank-conv1d": _on_rows(Bank, conv1d, dilation=2),
    "scan-gru": _on_rows(Scan, gru, form="reset-before"),
    "scan-lstm": _on_rows(Scan, lstm),
}


class Graph:
    """The layers of a model so far, and the sources of each."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.sources: list[tuple[int, ...]] = []

    def add(self, layer: Layer, *sources: int) -> int:
        """Add a layer. Returns its index."""
        self.layers.append(layer)
        self.sources.append(sources)
        return len(self.layers) - 1

    def feed_back(self, delay: int, source: int) -> None:
        """Let a delay read a later layer."""
        self.sources[delay] = (source,)

    def model(self) -> Model:
        return Model(self.layers, sources=self.sources)


def cell_of_parts(rng: Rng, inputs: int, hidden: int, gain: float = 1.0) -> Model:
    """h' = h + z (tanh(W x + R h + b) - h) with z = σ(V (x, h) + c): like a GRU, of separate layers; then a dense layer."""
    graph = Graph()
    h = graph.add(Delay(hidden, uniform(rng, 0.9, hidden)), -1)
    from_x = graph.add(dense(rng, inputs, hidden, gain), -1)
    from_h = graph.add(dense(rng, hidden, hidden, gain), h)
    candidate = graph.add(Pointwise(hidden, "tanh"), graph.add(Arithmetic(hidden, "add"), from_x, from_h))
    both = graph.add(Concat((inputs, hidden)), -1, h)
    update = graph.add(dense(rng, inputs + hidden, hidden, gain, activation="sigmoid"), both)
    change = graph.add(Arithmetic(hidden, "subtract"), candidate, h)
    step = graph.add(Arithmetic(hidden, "multiply"), update, change)
    graph.feed_back(h, graph.add(Arithmetic(hidden, "add"), h, step))
    graph.add(dense(rng, hidden, 3), len(graph.layers) - 1)
    return graph.model()


def nested_loops(rng: Rng, inputs: int, hidden: int, gain: float = 1.0) -> Model:
    """h' = tanh(W (h + c') + x), c' = σ(c + V h): one loop in the other, beside layers that no loop holds."""
    graph = Graph()
    x = graph.add(dense(rng, inputs, hidden, gain, activation="tanh"), -1)
    h, c = (graph.add(Delay(hidden, uniform(rng, 0.9, hidden)), -1) for _ in range(2))
    inner = graph.add(Arithmetic(hidden, "add"), c, graph.add(dense(rng, hidden, hidden, gain), h))
    new_c = graph.add(Pointwise(hidden, "sigmoid"), inner)
    outside = graph.add(rnn(rng, hidden, hidden, gain), x)
    mixed_in = graph.add(dense(rng, hidden, hidden, gain), graph.add(Arithmetic(hidden, "add"), h, new_c))
    new_h = graph.add(Pointwise(hidden, "tanh"), graph.add(Arithmetic(hidden, "add"), mixed_in, x))
    graph.feed_back(c, new_c)
    graph.feed_back(h, new_h)
    graph.add(Concat((hidden,) * 4), outside, h, new_h, new_c)
    return graph.model()


def delays_in_a_row(rng: Rng, inputs: int, hidden: int, gain: float = 1.0) -> Model:
    """The last three inputs, and the last but one output of a dense layer over them, which it reads as well."""
    graph = Graph()
    before_last = graph.add(Delay(hidden, uniform(rng, 0.9, hidden)), -1)
    last = graph.add(Delay(inputs, uniform(rng, 0.9, inputs)), -1)
    previous = graph.add(Delay(inputs, uniform(rng, 0.9, inputs)), last)
    all_values = graph.add(Concat((inputs, inputs, inputs, hidden)), -1, last, previous, before_last)
    y = graph.add(dense(rng, 3 * inputs + hidden, hidden, gain, activation="tanh"), all_values)
    graph.feed_back(before_last, graph.add(Delay(hidden, uniform(rng, 0.9, hidden)), y))
    graph.add(Select(hidden, tuple(range(hidden))), y)
    return graph.model()


def fed_back_lstm(rng: Rng, inputs: int, hidden: int, gain: float = 1.0) -> Model:
    """An LSTM that reads the model's own last output beside the input. The output layer is in the loop."""
    graph = Graph()
    back = graph.add(Delay(2), -1)
    both = graph.add(Concat((inputs, 2)), -1, back)
    h = graph.add(lstm(rng, inputs + 2, hidden, gain), both)
    graph.feed_back(back, graph.add(dense(rng, hidden, 2, gain, activation="tanh"), h))
    return graph.model()


#: name -> builder (rng, inputs, hidden, gain) of a model that feeds values back.
LOOPS: dict[str, Callable[[Rng, int, int, float], Model]] = {
    "loop-cell-of-parts": cell_of_parts,
    "loop-nested": nested_loops,
    "loop-delays-in-a-row": delays_in_a_row,
    "loop-with-lstm": fed_back_lstm,
}


def framed(rng: Rng, inputs: int, hidden: int, gain: float = 1.0) -> Model:
    """Frames of four rows, of the input itself, then a GRU."""
    layers = [Frame(inputs, 4), dense(rng, 4 * inputs, hidden, gain, activation="tanh"), gru(rng, hidden, hidden, gain)]
    return Model(layers)


def framed_twice(rng: Rng, inputs: int, hidden: int, gain: float = 1.0) -> Model:
    """States at each of three rates: every row, every 3rd (windows of 5), every 6th (windows of 3)."""
    return Model(
        [
            conv1d(rng, inputs, hidden, gain),
            lstm(rng, hidden, hidden, gain),
            Pointwise(hidden, "tanh"),
            Frame(hidden, 3, 5),
            gru(rng, 5 * hidden, hidden, gain),
            Frame(hidden, 2, 3),
            rnn(rng, 3 * hidden, hidden, gain),
        ]
    )


def framed_loops(rng: Rng, inputs: int, hidden: int, gain: float = 1.0) -> Model:
    """A loop over every row, and one over every second row, which also reads a row of the input."""
    graph = Graph()
    fast = graph.add(Delay(hidden, uniform(rng, 0.9, hidden)), -1)
    both = graph.add(Concat((inputs, hidden)), -1, fast)
    h = graph.add(dense(rng, inputs + hidden, hidden, gain, activation="tanh"), both)
    graph.feed_back(fast, h)
    slow = graph.add(Delay(hidden, uniform(rng, 0.9, hidden)), -1)
    frame, sampled = graph.add(Frame(hidden, 2, 3), h), graph.add(Frame(inputs, 2, 1), -1)
    all_values = graph.add(Concat((3 * hidden, inputs, hidden)), frame, sampled, slow)
    y = graph.add(dense(rng, 4 * hidden + inputs, hidden, gain, activation="tanh"), all_values)
    graph.feed_back(slow, y)
    graph.add(dense(rng, hidden, 3, gain), y)
    return graph.model()


#: name -> builder (rng, inputs, hidden, gain) of a model whose steps take several rows.
STRIDED: dict[str, Callable[[Rng, int, int, float], Model]] = {
    "stride-frame": framed,
    "stride-twice": framed_twice,
    "stride-loops": framed_loops,
}

#: Everything that `model` knows, of which a step takes one row.
ALL = [*VARIANTS, *LOOPS]

#: Those that every test run takes (tests/conftest.py): each kind of layer, each way of computing.
USUAL = frozenset(
    {"lstm", "lstm-projected", "lstm-with-everything", "gru-reset-after", "gru-reset-before", "rnn-tanh", "own-cell"}
    | {"dense-linear", "dense-softmax", "conv1d", "delay", "pointwise-clip", "prelu", "affine", "layernorm", "softmax"}
    | {"select-with-constants", "depthwise", "reduce-mean", "reduce-argmax", "rows-dense", "bank-gru", "scan-gru"}
    | {"state-output-lstm"}
    | {"loop-cell-of-parts", "loop-with-lstm"}
)

#: Variants with recurrent units, from which a state that decays, or an initial state, is to be had.
RECURRENT = [name for name in VARIANTS if name.startswith(("lstm", "gru", "rnn"))]


def model(*variants: str, inputs: int = 3, hidden: int = 9, gain: float = 1.0, seed: int = 0) -> Model:
    """Layers of the named variants, one behind the other, each of the same hidden size; or the model of that name."""
    rng = np.random.default_rng(seed)
    whole = LOOPS | STRIDED
    if variants[0] in whole:
        (variant,) = variants
        return whole[variant](rng, inputs, hidden, gain)
    layers: list[Layer] = []
    for variant in variants:
        layers.append(VARIANTS[variant](rng, layers[-1].output_size if layers else inputs, hidden, gain))
    return Model(layers)


def mixed(inputs: int = 3, seed: int = 0) -> Model:
    """One of each kind, all of different sizes, a softmax behind."""
    rng = np.random.default_rng(seed)
    return Model(
        [
            dense(rng, inputs, 6, activation="tanh"),
            lstm(rng, 6, 17),
            gru(rng, 17, 9),
            gru(rng, 9, 5, form="reset-before"),
            rnn(rng, 5, 33),
            dense(rng, 33, 4, activation="softmax"),
        ]
    )


def decaying(variant: str, hidden: int = 9) -> Model:
    """A model without bias whose state decays to nothing once the input is silent."""
    layer = VARIANTS[variant](np.random.default_rng(1), 2, hidden, 0.5)
    zeros: dict[str, Any] = {"bias": None} | ({"recurrent_bias": None} if isinstance(layer, GRU) else {})
    return Model([rebuilt(layer, **zeros)])


def rebuilt(layer: Layer, **changes: Any) -> Layer:
    """The layer with some of its fields changed."""
    return type(layer)(**(vars(layer) | changes))


def signal(n_steps: int, inputs: int = 3, *, loudness: float = 1.0, seed: int = 0) -> Array:
    """A chunk of normal noise, (n_steps, inputs)."""
    return (loudness * np.random.default_rng(seed).normal(size=(n_steps, inputs))).astype(np.float32)


@st.composite
def layers(draw: st.DrawFn, inputs: int) -> Layer:
    """A layer of any variant, any size to 70, quiet or loud."""
    build = VARIANTS[draw(st.sampled_from(list(VARIANTS)))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return build(rng, inputs, draw(st.integers(1, 70)), draw(st.sampled_from([0.5, 1.0, 3.0])))


@st.composite
def models(draw: st.DrawFn, max_layers: int = 3) -> Model:
    """A stack of layers of any variants."""
    stack = [draw(layers(draw(st.integers(1, 20))))]
    for _ in range(draw(st.integers(0, max_layers - 1))):
        stack.append(draw(layers(stack[-1].output_size)))
    return Model(stack)


@st.composite
def cuts(draw: st.DrawFn, n_steps: int) -> list[int]:
    """Lengths of chunks, 0 included, that add up to `n_steps`."""
    places = sorted(draw(st.lists(st.integers(0, n_steps), max_size=8)))
    return [end - begin for begin, end in zip([0, *places], [*places, n_steps], strict=True)]


def name_of(value: object) -> str:
    """A value as the name of a test: without addresses, so that it is the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
