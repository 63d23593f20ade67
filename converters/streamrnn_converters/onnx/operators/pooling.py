"""Pooling and reductions over axes within a step: index maps of what is reduced, and a Reduce of it."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamrnn import Activation, Affine, Arithmetic, Pointwise, Reduce
from streamrnn_converters.onnx.axes.arguments import axes_argument, axis_indices
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.operators.over_time import time_of, windows_of
from streamrnn_converters.onnx.operators.so_far import so_far
from streamrnn_converters.onnx.values import Flow, Value, rank, with_fixed
from streamrnn_converters.onnx.windows import gathered, n_inside, nearest_inside

_REDUCTIONS = {f"Reduce{name}": name.lower() for name in ("L1", "L2", "Max", "Mean", "Min", "Sum")}


@operator(*_REDUCTIONS)
def _reduced(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """ReduceMean-18 and its like, over axes within a step."""
    flow, axes = needs_flow(node, inputs[0], "X"), axes_argument(node, inputs)
    node.take("keepdims")
    if node.take("noop_with_empty_axes", 0) and not axes:
        return [flow]
    return [
        _reduced_over(importer, node, flow, axis_indices(node, axes or range(rank(flow)), rank(flow)), _REDUCTIONS[node.op])
    ]


@operator("ArgMax", "ArgMin")
def _index_of_best(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """ArgMax-13, as a number of floats."""
    flow = needs_flow(node, inputs[0], "data")
    node.take("keepdims")
    if node.take("select_last_index", 0):
        raise node.refused("select_last_index=1 is not understood; export the model without it")
    return [_over_axes(importer, node, flow, axis_indices(node, [node.take("axis", 0)], rank(flow)), node.op.lower())]


@operator("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Over all axes but batch and channels."""
    flow = needs_flow(node, inputs[0], "X")
    return [_reduced_over(importer, node, flow, range(2, rank(flow)), "mean" if node.op == "GlobalAveragePool" else "max")]


def _reduced_over(importer: Importer, node: Node, flow: Flow, axes: Sequence[int], operation: str) -> Flow:
    """Over axes within a step, and over time: then it is the answer so far."""
    given = _over_axes(importer, node, flow, axes, operation)
    if not any(importer.roles.over_time(flow.axes[axis]) for axis in axes):
        return given
    if flow.time.late or flow.time.surplus:
        raise node.refused("goes over all of time, from which what comes before cuts off steps, or to which it adds some")
    given = replace(so_far(importer, node, given, operation), last=True)
    importer.remark_last(given)
    return given


@operator("ReduceSumSquare", "ReduceLogSum")
def _of_sums(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """ReduceSumSquare-18, ReduceLogSum-18."""
    flow, axes = needs_flow(node, inputs[0], "X"), _reduced_axes(node, inputs)
    if node.op == "ReduceSumSquare":
        square = importer.applied(node, Arithmetic(flow.index_map.size, "multiply", importer.dtype), flow, flow)
        flow = replace(square, index_map=square.index_map.reshape(flow.index_map.shape))
    given = _over_axes(importer, node, flow, axes, "sum")
    if node.op == "ReduceSumSquare":
        return [given]
    return [importer.layered(node, Pointwise(given.index_map.size, Activation("log"), importer.dtype), given)]


@operator("ReduceLogSumExp")
def _log_of_sum_of_exponentials(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """ReduceLogSumExp-18, computed after subtracting the largest."""
    flow = needs_flow(node, inputs[0], "X")
    below = rows_below(flow, _reduced_axes(node, inputs))
    _, largest, logarithm = log_sum_exp(importer, node, below)
    out = importer.applied(node, Arithmetic(logarithm.index_map.size, "add", importer.dtype), logarithm, largest)
    axes = importer.axes_of(node)
    return [replace(out, axes=axes, index_map=out.index_map.reshape(importer.roles.extents(axes)))]


def log_sum_exp(importer: Importer, node: Node, below: Flow) -> tuple[Flow, Flow, Flow]:
    """Of rows below each other: x - m, m and log Σ exp(x - m), m the largest of each column."""
    rows, size = below.index_map.shape
    largest = importer.applied(node, Reduce(rows, size, "max", importer.dtype), below)
    wide = replace(largest, index_map=np.broadcast_to(largest.index_map, (rows, size)))
    shifted = importer.applied(node, Arithmetic(rows * size, "subtract", importer.dtype), below, wide)
    powers = importer.applied(node, Pointwise(rows * size, Activation("exp"), importer.dtype), shifted)
    total = importer.applied(node, Reduce(rows, size, "sum", importer.dtype), powers)
    return shifted, largest, importer.applied(node, Pointwise(size, Activation("log"), importer.dtype), total)


def rows_below(flow: Flow, axes: Sequence[int]) -> Flow:
    """A flow whose index map has the entries of some axes below each other, and those of the others in columns."""
    kept = [axis for axis in range(flow.index_map.ndim) if axis not in axes]
    rows = math.prod(flow.index_map.shape[axis] for axis in axes)
    return replace(flow, index_map=flow.index_map.transpose([*axes, *kept]).reshape(rows, -1))


def _over_axes(importer: Importer, node: Node, flow: Flow, axes: Sequence[int], operation: str) -> Flow:
    """The rows of a Reduce are the entries of the axes, its columns those of the others."""
    sizes = importer.roles.extents(importer.axes_of(node))
    below = rows_below(flow, axes)
    rows, size = below.index_map.shape
    if rows == 1:
        return replace(flow, index_map=below.index_map.reshape(sizes), axes=importer.axes_of(node))
    return importer.layered(node, Reduce(rows, size, operation, importer.dtype), below, sizes=sizes)


def _reduced_axes(node: Node, inputs: Inputs) -> list[int]:
    node.take("keepdims")
    if node.take("noop_with_empty_axes", 0):
        raise node.refused("noop_with_empty_axes=1 is not understood here; export the model without it")
    n_axes = rank(inputs[0]) if inputs[0] is not None else 0
    return list(axis_indices(node, axes_argument(node, inputs) or range(n_axes), n_axes))


@operator("AveragePool", "MaxPool")
def _pool(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """MaxPool-12 and AveragePool-19; the indices of the largest are not given."""
    flow, taps, is_max = needs_flow(node, inputs[0], "X"), node.take("kernel_shape"), node.op == "MaxPool"
    axes = importer.axes_of(node)
    node.take("storage_order")
    with_padding, ceil = node.take("count_include_pad", 0), bool(node.take("ceil_mode", 0))
    if with_padding and ceil:
        raise node.refused("counts padding and rounds up, which frameworks read in different ways; export one of the two")
    flow, windows, over_time = windows_of(importer, node, flow, taps, ceil=ceil)
    ignored = [] if over_time is None or with_padding else over_time.padded_windows()
    sizes = flow.index_map.shape[2:]
    counts = n_inside(windows, sizes)
    if not counts.all() or (ignored and ignored[-1]):
        raise node.refused("has windows that see nothing but padding; export the model with less of it")
    if is_max:
        if any(ignored):
            flow = _without_padding(importer, node, flow, ignored)
        padding, windows = 0, [nearest_inside(own, size) for own, size in zip(windows, sizes, strict=True)]
    else:
        flow, padding = with_fixed(flow, 0.0)
    seen = gathered(flow.index_map, windows, padding)
    n_taps, channels = math.prod(taps), seen.shape[-1]
    outer = seen.shape[: 1 + len(taps)]
    layer = Reduce(n_taps, channels, "max" if is_max else "sum", importer.dtype)
    pooled = importer.on_rows(node, layer, replace(flow, index_map=seen.reshape(math.prod(outer), -1)))
    if not is_max:
        divisors = np.full(counts.shape, n_taps) if with_padding else counts
        scale = np.broadcast_to(1 / divisors[..., None], (*outer, channels)).ravel()
        pooled = importer.applied(node, Affine(scale, np.zeros(scale.size), importer.dtype), pooled)
        if any(ignored):
            pooled = importer.applied(
                node, Arithmetic(scale.size, "divide", importer.dtype), pooled, _share(importer, node, pooled, ignored)
            )
    index_map = np.moveaxis(pooled.index_map.reshape(*outer, channels), -1, 1)
    return [replace(pooled, index_map=index_map, axes=axes)]


def _without_padding(importer: Importer, node: Node, flow: Flow, ignored: Sequence[int]) -> Flow:
    """What the taps of a window over time see; instead of padding, what the last of them sees. It changes no maximum.

    ignored  for each tap, in how many of the first windows it sees padding
    """
    time = time_of(importer, flow)
    assert time is not None
    seen = np.moveaxis(flow.index_map, 2 + time, 0)
    parts, maps, start = list(flow.parts), list(seen), sum(part.size for part in flow.parts)
    last = importer.vector(node, replace(flow, index_map=seen[-1]))
    for tap, count in enumerate(ignored):
        if count:
            own = importer.vector(node, replace(flow, index_map=seen[tap]))
            late = flow.time._replace(late=flow.time.late + count)
            parts.append(importer.beginnings.begun(node, own, late, last))
            maps[tap] = start + np.arange(last.size).reshape(seen[tap].shape)
            start += last.size
    return replace(flow, parts=tuple(parts), index_map=np.stack(maps, 2 + time))


def _share(importer: Importer, node: Node, flow: Flow, ignored: Sequence[int]) -> Flow:
    """Of the taps of a window over time, the share that sees no padding, for each value of a flow."""
    vector, n_values = importer.vector(node, flow), flow.index_map.size
    late = [flow.time._replace(late=flow.time.late + count) for count in ignored]
    there = tuple(importer.beginnings.has_begun(node, vector, each) for each in late)
    starts = np.cumsum([0, *(part.size for part in there)])[:-1]
    n_there = importer.applied(
        node, Reduce(len(there), 1, "mean", importer.dtype), replace(flow, parts=there, index_map=starts)
    )
    return replace(n_there, index_map=np.zeros(n_values, np.int64))
