"""Nodes that round a signal with a scale that the graph knows, and give floats again; weights; rows of tables."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.parse.dequantised.copy import Copy, Grid
from streamrnn_converters.onnx.parse.dequantised.weights import RANGES, along, axis_of, numbers, refuse_others, scale_of

_BOUNDS_ARE_INPUTS = 11  # opset of Clip


def quantize(copy: Copy, proto: onnx.NodeProto, node: Node) -> bool:
    """QuantizeLinear: a signal that is bounded; integers where it reads a constant."""
    refuse_others(proto, node, "axis", "saturate", "output_dtype")
    x, target = node.inputs[0], node.outputs[0]
    copy.refuse_integers(node, x)
    scale, zero, kind = scale_of(copy, proto, node)
    least, most = RANGES[kind]
    if x in copy.constants:
        array = copy.array(node, x)
        steps = np.rint(array.astype(np.float32) / along(node, scale, array.ndim, axis_of(proto)))
        whole = np.clip(steps + along(node, zero, array.ndim, axis_of(proto)), least, most).astype(np.int32)
        copy.constants[target] = numpy_helper.from_array(whole, target)
        copy.unread.add(x)
        return True
    if scale.size != 1 or zero.size != 1:
        raise node.refused("rounds a signal with a scale for each of its values, which is not understood; take one scale")
    grid = Grid(float(scale.item()), int(zero.item()))
    lowest, highest = (np.float32(bound - grid.zero) * scale.reshape(()) for bound in (least, most))
    _bound(copy, x, target, lowest, highest)
    copy.grids[target] = grid
    copy.rounds = True
    return True


def _bound(copy: Copy, x: str, target: str, lowest: Any, highest: Any) -> None:
    if copy.opset < _BOUNDS_ARE_INPUTS:
        copy.nodes.append(helper.make_node("Clip", [x], [target], target, min=float(lowest), max=float(highest)))
        return
    names = [copy.named(f"{target}.{end}") for end in ("lowest", "highest")]
    for name, bound in zip(names, (lowest, highest), strict=True):
        tensor = numpy_helper.from_array(np.asarray(bound), name)
        copy.nodes.append(helper.make_node("Constant", [], [name], name, value=tensor))
    copy.nodes.append(helper.make_node("Clip", [x, *names], [target], target))


def dequantize(copy: Copy, proto: onnx.NodeProto, node: Node) -> bool:
    """DequantizeLinear: weights; a signal that was rounded before; rows of a table."""
    refuse_others(proto, node, "axis", "output_dtype")
    q, target = node.inputs[0], node.outputs[0]
    scale, zero, _ = scale_of(copy, proto, node)
    if q in copy.constants:
        copy.add_weights(target, numbers(node, copy.array(node, q), scale, zero, axis_of(proto)))
        copy.unread.add(q)
    elif q in copy.grids:
        if scale.size != 1 or copy.grids[q] != (float(scale.item()), int(zero.item())):
            raise node.refused("its scale or zero point is not that with which the signal was rounded, which is not understood")
        copy.nodes.append(helper.make_node("Identity", [q], [target], node.name))
    elif q in copy.picked:
        if scale.size != 1 or zero.size != 1:
            raise node.refused("its table has a scale for each of its rows, which is not understood; take one scale")
        pick_floats(copy, node, q, target, scale, zero, 0)
    else:
        raise node.refused("its input is neither constant weights nor a signal that was rounded before; export in float32")
    return True


def gather(copy: Copy, proto: onnx.NodeProto, node: Node) -> bool:
    """Gather from a table of integers, for a node that makes them floats."""
    table = copy.constants.get(node.inputs[0])
    small = (TensorProto.INT8, TensorProto.UINT8)
    if table is None or table.data_type not in small or any(map(copy.is_of_integers, node.inputs[1:])):
        return False
    copy.picked[node.outputs[0]] = proto
    return True


def pick_floats(copy: Copy, node: Node, rows: str, target: str, scale: Any, zero: Any, axis: int | None) -> None:
    """Pick the rows that were picked of a table of integers from a table of floats, for `node`, which reads them."""
    picks = copy.picked[rows]
    table = picks.input[0]
    own = copy.add_copy_of(picks)
    own.input[0], own.output[0] = copy.named(f"{table}.floats"), target
    copy.add_weights(own.input[0], numbers(node, copy.array(node, table), scale, zero, axis))
    copy.unread.add(table)
