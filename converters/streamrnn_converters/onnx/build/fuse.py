"""Two layers made one: a function or scale after a dense layer or a convolution, and values moved or scaled twice."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamrnn import Activation, Affine, Conv1d, Dense, Layer, Pointwise, Select, Softmax
from streamrnn.activation import LINEAR


def fused(first: Layer, then: Layer) -> Layer | None:
    """One layer that does what two do, where `then` only reads `first`; None where there is none."""
    if isinstance(first, Dense) and first.activation == LINEAR:
        if isinstance(then, Pointwise):
            return replace(first, activation=then.activation)
        if isinstance(then, Softmax):
            return replace(first, activation=Activation("softmax"))
        if isinstance(then, Affine):
            return replace(first, weights=_wide(then.scale)[:, None] * first.weights, bias=_shifted(first.bias, then))
    if isinstance(then, Affine) and isinstance(first, Conv1d):
        return replace(first, weights=_wide(then.scale)[:, None, None] * first.weights, bias=_shifted(first.bias, then))
    if isinstance(then, Affine) and isinstance(first, Affine):
        return Affine(_wide(then.scale) * first.scale, _shifted(first.shift, then), first.dtype)
    if isinstance(then, Select) and isinstance(first, Select):
        return _selected(first, then)
    return None


def _selected(first: Select, then: Select) -> Select:
    """Values of a selection: those of the first, or constants of its own, which come after the first's."""
    given, own = first.constants, then.constants
    start = first.size + (0 if given is None else given.size)
    indices = (first.indices[k] if k < then.size else start + k - then.size for k in then.indices)
    both = [constants for constants in (given, own) if constants is not None]
    return Select(first.size, tuple(indices), first.dtype, np.concatenate(both) if both else None)


def _wide(array: NDArray[np.floating]) -> NDArray[np.float64]:
    """As float64, so that what is folded is rounded once."""
    return array.astype(np.float64)


def _shifted(bias: NDArray[np.floating], then: Affine) -> NDArray[np.float64]:
    return _wide(then.scale) * bias + then.shift
