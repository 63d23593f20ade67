"""Padding of an axis within a step: the same number, or values of the axis again (Pad-18)."""

from dataclasses import replace

import numpy as np

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Flow, with_fixed

#: ONNX's modes to NumPy's.
_MODES = {"edge": "edge", "reflect": "reflect", "wrap": "wrap"}


def padded_within(node: Node, flow: Flow, axis: int, before: int, after: int, mode: str, value: float) -> Flow:
    """A flow with so many entries more before and after those of an axis; negative: fewer."""
    index_map, size = flow.index_map, flow.index_map.shape[axis]
    cut = (slice(None),) * axis + (slice(max(0, -before), size - max(0, -after)),)
    widths = [(0, 0)] * index_map.ndim
    widths[axis] = max(0, before), max(0, after)
    if mode == "constant":
        flow, index = with_fixed(flow, value)
        return replace(flow, index_map=np.pad(index_map[cut], widths, constant_values=index))
    if mode not in _MODES:
        raise node.refused(f"mode={mode!r} is not one of constant, {', '.join(_MODES)}")
    if mode == "reflect" and max(before, after) >= size:
        raise node.refused(f"reflects {max(before, after)} values of an axis of {size}; fewer can be")
    return replace(flow, index_map=np.pad(index_map[cut], widths, _MODES[mode]))  # type: ignore[call-overload]
