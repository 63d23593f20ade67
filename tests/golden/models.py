"""The models of the golden bits, with weights and signals from `RandomState`, whose numbers NumPy has promised never to change.

Do not change what is drawn here, nor the order: other numbers are other golden bits.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from streamrnn import (
    GRU,
    LSTM,
    Activation,
    Affine,
    Arithmetic,
    Concat,
    Embedding,
    Layer,
    LayerNorm,
    Model,
    Pointwise,
    PRelu,
    Select,
    Where,
)
from streamrnn.target.storage import STORED_TYPES
from tests.models import LOOPS, VARIANTS, conv1d, dense, gru, lstm, rebuilt, rnn, uniform

N_STEPS = 500
_ENTRIES = 7  # rows of the embedding


class Frozen:
    """The generator that `tests.models` needs, with the same numbers on every machine and with every NumPy.

    It draws only uniform doubles, and computes all other numbers from these by single roundings.
    """

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(seed)

    def uniform(self, low: float, high: float, shape: int | tuple[int, ...]) -> Any:
        drawn = self._state.random_sample(shape)
        scaled = (high - low) * drawn
        return low + scaled

    def integers(self, low: int, high: int, shape: int) -> Any:
        drawn = self._state.random_sample(shape)
        return low + np.floor((high - low) * drawn).astype(np.int64)


def signal(model: str, inputs: int, n_steps: int = N_STEPS) -> Any:
    """The signal of a model, (n_steps, inputs) float64: a quiet part, a usual part, a loud part."""
    rng = Frozen(2)
    if model.startswith("embedding"):
        return rng.integers(0, _ENTRIES, n_steps * inputs).reshape(n_steps, inputs).astype(np.float64)
    x = rng.uniform(-1.0, 1.0, (n_steps, inputs)).astype(np.float32).astype(np.float64)
    if model == "silence":
        x[50:] = 0
        return x
    return x * np.repeat([0.0625, 1.0, 16.0], [n_steps // 5, n_steps // 5 * 3, n_steps - n_steps // 5 * 4])[:, None]


def _stack(*layers: Any) -> Model:
    return Model(list(layers))


def _cascade(r: Any) -> Model:
    return _stack(
        dense(r, 3, 6, activation="tanh"), lstm(r, 6, 17), gru(r, 17, 9), gru(r, 9, 5, form="reset-before"), rnn(r, 5, 33),
        dense(r, 33, 4, activation="softmax"),
    )  # fmt: skip


def _residual(r: Any) -> Model:
    return Model([lstm(r, 5, 9), dense(r, 9, 5), Arithmetic(5, "add")], sources=[(-1,), (0,), (-1, 1)])


def _gated(r: Any) -> Model:
    return Model(
        [
            Select(6, (0, 1)),
            Select(6, (2, 3, 4, 5)),
            gru(r, 2, 7),
            lstm(r, 4, 7),
            Pointwise(7, "sigmoid"),
            Arithmetic(7, "multiply"),
            Concat((7, 6, 2)),
            conv1d(r, 15, 4),
        ],
        sources=[(-1,), (-1,), (0,), (1,), (2,), (4, 3), (5, -1, 0), (6,)],
    )


def _front_end(r: Any) -> Model:
    return _stack(
        conv1d(r, 9, 21, taps=4, dilation=2),
        LayerNorm(uniform(r, 1, 21), uniform(r, 1, 21), 1e-5),
        PRelu(uniform(r, 1, 21)),
        gru(r, 21, 19),
        dense(r, 19, 2, activation="sigmoid"),
    )


def _silence(r: Any) -> Model:
    without: dict[str, Any] = {"bias": None}
    return _stack(
        rebuilt(lstm(r, 2, 9, 0.5), **without), rebuilt(gru(r, 9, 7, 0.5), **without, recurrent_bias=None), rnn(r, 7, 5)
    )


def _functions(r: Any) -> Model:
    """Sine, cosine, exponential, logarithm, root and powers, beside each other."""
    size = 11
    of = ["sin", "cos", "exp", "log", "sqrt", Activation("power", 3.0), Activation("power", 2.5), Activation("power", -1.0)]
    layers = [dense(r, 3, size), Pointwise(size, "absolute"), Affine(np.ones(size), np.full(size, 0.25))]
    sources: list[tuple[int, ...]] = [(-1,), (0,), (1,)]
    for index, function in enumerate(of):
        layers.append(Pointwise(size, function))
        sources.append((0,) if index in (0, 1, 5) else (2,))
    joined = tuple(range(3, 3 + len(of)))
    layers += [Concat((size,) * len(of)), Pointwise(size * len(of), "tanh"), gru(r, size * len(of), 7)]
    return Model(layers, sources=[*sources, joined, (len(layers) - 3,), (len(layers) - 2,)])


def _comparisons(r: Any) -> Model:
    """Each comparison of two signals, and choices by them."""
    size = 9
    layers: list[Any] = [dense(r, 3, size, activation="round"), dense(r, 3, size, activation="round")]
    sources: list[tuple[int, ...]] = [(-1,), (-1,)]
    for operation in ("equal", "greater", "greater_equal", "less", "less_equal", "maximum", "minimum"):
        layers += [Arithmetic(size, operation), Where(size)]
        sources += [(0, 1), (len(layers) - 2, 0, 1)]
    chosen = tuple(range(3, len(layers), 2))
    layers += [Concat((size,) * len(chosen)), rnn(r, size * len(chosen), 5)]
    return Model(layers, sources=[*sources, chosen, (len(layers) - 2,)])


#: name -> a function that builds the model from a generator: small and large, chained and branched, quiet and saturating.
WHOLE: dict[str, Callable[[Any], Model]] = {
    "lstm-1x8": lambda r: _stack(lstm(r, 1, 8)),
    "lstm-1x20": lambda r: _stack(lstm(r, 1, 20)),
    "lstm-1x40": lambda r: _stack(lstm(r, 1, 40), dense(r, 40, 1)),
    "lstm-64x64": lambda r: _stack(lstm(r, 64, 64)),
    "lstm-129x131": lambda r: _stack(lstm(r, 129, 131)),
    "lstm-400x400": lambda r: _stack(lstm(r, 400, 400)),
    "lstm-loud": lambda r: _stack(lstm(r, 3, 33, 20.0)),
    "lstm-projected-20x65": lambda r: _stack(lstm(r, 20, 65, outputs=31)),
    "lstm-of-two-layers": lambda r: _stack(lstm(r, 8, 33), lstm(r, 33, 17), dense(r, 17, 3)),
    "gru-after-1x8": lambda r: _stack(gru(r, 1, 8)),
    "gru-after-1x20": lambda r: _stack(gru(r, 1, 20)),
    "gru-after-64x64": lambda r: _stack(gru(r, 64, 64)),
    "gru-after-500x500": lambda r: _stack(gru(r, 500, 500)),
    "gru-before-1x20": lambda r: _stack(gru(r, 1, 20, form="reset-before")),
    "gru-before-65x67": lambda r: _stack(gru(r, 65, 67, form="reset-before")),
    "gru-before-500x500": lambda r: _stack(gru(r, 500, 500, form="reset-before")),
    "rnn-1x8": lambda r: _stack(rnn(r, 1, 8)),
    "rnn-64x257": lambda r: _stack(rnn(r, 64, 257)),
    "cascade": _cascade,
    "residual": _residual,
    "gated": _gated,
    "front-end": _front_end,
    "silence": _silence,
    "embedding": lambda r: _stack(Embedding(uniform(r, 1, _ENTRIES, 12)), gru(r, 12, 9), dense(r, 9, 7, activation="softmax")),
    "functions": _functions,
    "comparisons": _comparisons,
}

#: (inputs, hidden units) of each variant of `tests.models`: with and without input sums that are computed ahead.
_SIZES = {"small": (3, 9), "middle": (11, 37)}


def _variant(name: str, sizes: tuple[int, int]) -> Callable[[Any], Model]:
    return lambda r: Model([VARIANTS[name](r, *sizes, 2.0)])


def _loop(name: str, sizes: tuple[int, int]) -> Callable[[Any], Model]:
    return lambda r: LOOPS[name](r, *sizes, 2.0)


#: All models.
MODELS = WHOLE | {f"{name}-{size}": _variant(name, sizes) for name in VARIANTS for size, sizes in _SIZES.items()}
MODELS |= {f"{name}-{size}": _loop(name, sizes) for name in LOOPS for size, sizes in _SIZES.items()}


#: Layers with sums, whose weights can be stored in fewer bytes.
_WITH_SUMS: dict[str, Callable[[Any], Layer]] = {
    "lstm": lambda r: lstm(r, 11, 37),
    "gru-after": lambda r: gru(r, 11, 37),
    "gru-before": lambda r: gru(r, 11, 37, form="reset-before"),
    "rnn": lambda r: rnn(r, 11, 37),
    "dense": lambda r: dense(r, 11, 37, activation="tanh"),
}


def _stored(layer: Callable[[Any], Layer], stored: str) -> Callable[[Any], Model]:
    return lambda r: Model([layer(r).with_stored(stored)])


#: Models that compute in float32, with weights that are stored in another type.
STORED = {f"{name}-{stored}": _stored(layer, stored) for name, layer in _WITH_SUMS.items() for stored in STORED_TYPES}
MODELS |= STORED

#: Each model, and a type in which it computes.
CASES = [(name, dtype) for name in MODELS for dtype in (("float32",) if name in STORED else ("float32", "float64"))]


def golden_model(name: str, dtype: str) -> Model:
    """A model of the golden bits, in float32 or float64."""
    rng: Any = Frozen(1)
    model = MODELS[name](rng)
    assert all(not isinstance(layer, LSTM | GRU) or layer.initial_hidden.any() for layer in model.layers)
    return model if dtype == "float32" else model.astype(dtype)
