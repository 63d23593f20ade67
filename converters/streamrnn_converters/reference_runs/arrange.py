"""Between the values of a stream, (n_steps, n_signals, n_values), and the arrays of a graph's inputs and outputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.imported import GraphInput, GraphOutput

_ACROSS = ("time", "batch")


def arranged(values: NDArray[Any], end: GraphInput | GraphOutput) -> NDArray[Any]:
    """The array that a graph has there. Where it lacks time or batch, that has size 1 in `values`."""
    within = [size or 1 for axis, size in zip(end.axes, end.sizes, strict=True) if axis not in _ACROSS]
    whole = values.reshape(*values.shape[:2], *within)
    order = iter(range(2, whole.ndim))
    places = [_ACROSS.index(axis) if axis in _ACROSS else next(order) for axis in end.axes]
    lacking = [place for place, axis in enumerate(_ACROSS) if axis not in end.axes]
    return whole.transpose([*lacking, *places]).squeeze(tuple(range(len(lacking))))


def of_input(values: NDArray[Any], given: GraphInput) -> NDArray[Any]:
    """What a graph input gets of the values that a stream takes."""
    own = values[..., given.start : given.start + given.size]
    own = arranged(own if "batch" in given.axes else own[:, :1], given)
    return np.ascontiguousarray(own, given.integers or np.float32)


def zeros(given: GraphInput, n_signals: int) -> NDArray[np.float32]:
    """What a graph input that brings states gets at first."""
    return arranged(np.zeros((1, n_signals, given.size), np.float32), given)


def drawn(
    rng: np.random.Generator, inputs: Sequence[GraphInput], scale: float, n_steps: int, n_signals: int
) -> NDArray[np.float32]:
    """A signal for all inputs: normally distributed numbers times `scale`, and indices of any size.

    An input without a batch has the same for all signals.
    """
    parts = []
    for given in inputs:
        shape = n_steps, n_signals if "batch" in given.axes else 1, given.size
        own = rng.integers(0, given.n_entries or 1, shape) if given.integers else scale * rng.normal(size=shape)
        parts.append(np.broadcast_to(own, (n_steps, n_signals, given.size)))
    return np.concatenate(parts, axis=2).astype(np.float32)
