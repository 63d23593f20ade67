"""Resize to nearest values: a selection of values of a step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.axes.arguments import limit, resize_argument
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.values import Value

#: Where in the axis an entry of the result lies: of its index, the factor, and the sizes before and after.
_PLACES: dict[str, Callable[[NDArray[Any], float, int, int], NDArray[Any]]] = {
    "half_pixel": lambda at, scale, before, after: (at + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda at, scale, before, after: (at + 0.5) / scale - 0.5 if after > 1 else 0.0 * at,
    "asymmetric": lambda at, scale, before, after: at / scale,
    "align_corners": lambda at, scale, before, after: at * (before - 1) / max(1, after - 1),
}
#: Which entry is taken for a place between two.
_NEAREST: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "round_prefer_floor": lambda place: np.ceil(place - 0.5),
    "round_prefer_ceil": lambda place: np.floor(place + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}
_OF_OTHER_MODES = ("cubic_coeff_a", "exclude_outside", "extrapolation_value")


@operator("Resize")
def _resize(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Resize-13, of axes within a step."""
    flow, axes = needs_flow(node, inputs[0], "X"), importer.axes_of(node)
    places, nearest = node.take("coordinate_transformation_mode", "half_pixel"), node.take("nearest_mode", "round_prefer_floor")
    mode = node.take("mode", "nearest")
    if mode != "nearest" or places not in _PLACES or nearest not in _NEAREST or importer.roles.opset < 11:
        raise node.refused(
            f"mode={mode!r} with {places!r} and {nearest!r}: only nearest values are understood, from opset 11 on"
        )
    for name in _OF_OTHER_MODES:
        node.take(name)
    index_map = flow.index_map
    for axis, (size, scale) in enumerate(resize_argument(node, inputs, [each.size for each in flow.axes])):
        if size != flow.axes[axis].size:
            before = index_map.shape[axis]
            limit(node, index_map.size // before * size)
            chosen = _NEAREST[nearest](_PLACES[places](np.arange(size), scale, before, size)).astype(int)
            index_map = np.take(index_map, np.clip(chosen, 0, before - 1), axis)
    return [replace(flow, index_map=index_map, axes=axes)]
