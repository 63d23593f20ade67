"""Windows over axes within a step, as index maps: what a convolution or a pooling sees at each of its positions."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.graph import Node

Indices = NDArray[np.int64]

#: Stands for the number of steps where windows slide over time: larger than what a window reaches over, and a multiple of any
#: usual stride.
LONG = 720720 << 20


class Sliding(NamedTuple):
    """How windows slide over one axis: its size, taps of a window, entries from one window and one tap to the next, padding."""

    size: int
    taps: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def reach(self) -> int:
        """Entries from the first tap to the last."""
        return (self.taps - 1) * self.dilation

    @property
    def n_windows(self) -> int:
        """How many windows fit."""
        return (self.before + self.size + self.after - self.reach - 1) // self.stride + 1

    def padded_windows(self) -> list[int]:
        """For each tap, in how many of the first windows it sees padding."""
        return [max(0, -((tap * self.dilation - self.before) // self.stride)) for tap in range(self.taps)]

    def indices(self) -> Indices:
        """(windows, taps): the index that each tap of each window sees; below 0 or from `size` on it is padding."""
        return np.arange(self.n_windows)[:, None] * self.stride + np.arange(self.taps) * self.dilation - self.before


def sliding_of(node: Node, sizes: Sequence[int], taps: Sequence[int], *, ceil: bool = False) -> list[Sliding]:
    """The attributes of Conv-11 and the pooling operators: strides, dilations, pads and auto_pad, for each axis."""
    n = len(sizes)
    strides, dilations = factors(node, n)
    auto, pads = node.take("auto_pad", "NOTSET"), list(node.take("pads") or [0] * (2 * n))
    if auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise node.refused(f"auto_pad={auto!r} is not one of the operator's")
    if len(taps) != n or len(pads) != 2 * n or min(taps) < 1:
        raise node.refused(f"its taps and pads do not fit {n} axes")
    found = []
    for axis, size in enumerate(sizes):
        one = Sliding(size, taps[axis], strides[axis], dilations[axis], pads[axis], pads[n + axis])
        if auto != "NOTSET":
            whole = -(-size // one.stride) if auto != "VALID" else 0
            total = max(0, (whole - 1) * one.stride + one.reach + 1 - size) if auto != "VALID" else 0
            less, more = total // 2, total - total // 2
            one = one._replace(before=less, after=more) if auto != "SAME_LOWER" else one._replace(before=more, after=less)
        elif ceil:
            one = _up(one)
        if one.n_windows < 1:
            raise node.refused(f"its windows of {one.reach + 1} do not fit {one.before + size + one.after} values")
        found.append(one)
    return found


def transposed_ends(node: Node, sizes: Sequence[int], taps: Sequence[int]) -> tuple[list[int], list[int]]:
    """Of ConvTranspose-11, the padding before the first output of each axis, and how many outputs there are."""
    n = len(sizes)
    strides, dilations = factors(node, n)
    auto, pads = node.take("auto_pad", "NOTSET"), list(node.take("pads") or [0] * (2 * n))
    extra, wanted = list(node.take("output_padding") or [0] * n), list(node.take("output_shape") or [])[-n:]
    if len(pads) != 2 * n or len(extra) != n or len(wanted) not in (0, n):
        raise node.refused(f"its pads and output shape do not fit {n} axes")
    whole = [(sizes[k] - 1) * strides[k] + extra[k] + (taps[k] - 1) * dilations[k] + 1 for k in range(n)]
    if auto in ("SAME_UPPER", "SAME_LOWER") and not wanted:
        wanted = [size * stride for size, stride in zip(sizes, strides, strict=True)]
    if wanted:
        total = [max(0, have - want) for have, want in zip(whole, wanted, strict=True)]
        return [count // 2 if auto == "SAME_UPPER" else count - count // 2 for count in total], wanted
    ends = [whole[k] - pads[k] - pads[n + k] for k in range(n)]
    if min(ends) < 1:
        raise node.refused("its padding cuts off all outputs")
    return pads[:n], ends


def factors(node: Node, n: int) -> tuple[list[int], list[int]]:
    """The strides and dilations of n axes."""
    strides, dilations = list(node.take("strides") or [1] * n), list(node.take("dilations") or [1] * n)
    if {len(strides), len(dilations)} != {n} or min(*strides, *dilations) < 1:
        raise node.refused(f"its strides and dilations do not fit {n} axes")
    return strides, dilations


def _up(one: Sliding) -> Sliding:
    """With room for one more window, where it would begin before the padding at the end (ceil_mode)."""
    left = (one.before + one.size + one.after - one.reach - 1) % one.stride
    begins = one.n_windows * one.stride
    if left and begins < one.before + one.size:
        return one._replace(after=one.after + one.stride - left)
    return one


def gathered(index_map: Indices, windows: Sequence[Indices], padding: int) -> Indices:
    """What windows see of an index map (N, C, *sizes): (N, *windows, *taps, C).

    windows  for each axis, (windows, taps): the indices that are seen; outside of the axis it is the index `padding`
    """
    n = len(windows)
    for number, indices in enumerate(windows):
        axis = 2 + 2 * number
        inside = (indices >= 0) & (indices < index_map.shape[axis])
        shape = [1] * axis + list(indices.shape) + [1] * (index_map.ndim - axis - 1)
        taken = np.take(index_map, np.where(inside, indices, 0), axis)
        index_map = np.where(inside.reshape(shape), taken, padding)
    order = [0, *range(2, 2 + 2 * n, 2), *range(3, 3 + 2 * n, 2), 1]
    return index_map.transpose(order)


def nearest_inside(windows: Indices, size: int) -> Indices:
    """The indices with each padding replaced by an entry of the same window: of a maximum, that changes nothing."""
    inside = (windows >= 0) & (windows < size)
    first = np.take_along_axis(windows, inside.argmax(axis=1)[:, None], axis=1)
    return np.where(inside, windows, first)


def n_inside(windows: Sequence[Indices], sizes: Sequence[int]) -> NDArray[np.int64]:
    """How many taps of each window see no padding, (*windows)."""
    counts = [((own >= 0) & (own < size)).sum(axis=1) for own, size in zip(windows, sizes, strict=True)]
    return math.prod(np.ix_(*counts))  # type: ignore[return-value]
