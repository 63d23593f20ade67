"""Between the values of streams, (n_steps, n_signals, n_values), and the arrays of a graph's inputs and outputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import VerificationError
from streamrnn_converters.onnx.imported import GraphInput, GraphOutput

#: Values of a signal that a graph is tried on: 1 GiB in float32.
MOST_VALUES = 1 << 28
_AXES = ("time", "batch")  # of the values, before those of one step


def graph_array(values: NDArray[Any], end: GraphInput | GraphOutput) -> NDArray[Any]:
    """Values in the axes of a graph's input or output. Where it has no time or batch axis, that has size 1 in `values`."""
    sizes = [size or 1 for axis, size in zip(end.axes, end.sizes, strict=True) if axis not in _AXES]
    whole = values.reshape(*values.shape[:2], *sizes)
    others = iter(range(2, whole.ndim))
    order = [_AXES.index(axis) if axis in _AXES else next(others) for axis in end.axes]
    missing = [index for index, axis in enumerate(_AXES) if axis not in end.axes]
    return whole.transpose([*missing, *order]).squeeze(tuple(range(len(missing))))


def input_array(values: NDArray[Any], given: GraphInput) -> NDArray[Any]:
    """What a graph input gets, of the values that streams get."""
    own = values[: 1 if given.steady else None, :, given.start : given.start + given.size]
    own = graph_array(own if "batch" in given.axes else own[:, :1], given)
    return np.ascontiguousarray(own, given.integers or np.float32)


def first_states(given: GraphInput, n_signals: int) -> NDArray[Any]:
    """What a graph input for states gets in the first run."""
    values = np.zeros((1, n_signals, given.size), given.integers or np.float32)
    if given.initial:
        values[:] = given.initial
    return graph_array(values, given)


def random_signal(
    rng: np.random.Generator, inputs: Sequence[GraphInput], scale: float, n_steps: int, n_signals: int
) -> NDArray[np.float32]:
    """A signal for all inputs, (n_steps, n_signals, input_size): normally distributed numbers times `scale`.

    An input of indices gets any of those that its table has, one that switches a state gets numbers from 0 to 1, whatever the
    scale. An input without a batch axis gets the same for all signals, one without time the same at each step.

    Raises VerificationError for more values than `MOST_VALUES`: the graph fixes an axis to a huge size.
    """
    n_values = n_steps * n_signals * sum(given.size for given in inputs)
    if n_values > MOST_VALUES:
        sizes = f"{n_steps} steps of {n_signals} signals have {n_values} values"
        raise VerificationError(f"{sizes}, and more than {MOST_VALUES} are not tried; export a graph with smaller axes")
    parts = []
    for given in inputs:
        shape = 1 if given.steady else n_steps, n_signals if "batch" in given.axes else 1, given.size
        if given.integers:
            own: NDArray[Any] = rng.integers(0, given.n_entries or 1, shape)
        else:
            own = _switched(rng, shape) if given.switches else scale * rng.normal(size=shape)
        parts.append(np.broadcast_to(own, (n_steps, n_signals, given.size)))
    return np.concatenate(parts, axis=2).astype(np.float32)


def _switched(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    """0 and 1, each for some ten steps, and now and then a number between them."""
    turned = np.cumsum(rng.random(shape) < 0.1, axis=0) + rng.integers(0, 2, shape[1:])
    return np.where(rng.random(shape) < 0.1, rng.random(shape), turned % 2)
