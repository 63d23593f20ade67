"""What operators see of time: steps of the past in their windows, and steps before the first and after the last."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamrnn_converters.onnx.axes.arguments import limit
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.time_map import TimeMap
from streamrnn_converters.onnx.values import Axis, Flow
from streamrnn_converters.onnx.windows import LONG, Indices, Sliding, sliding_of

_NO_DELAY = "and its answer cannot come later where states go in and out, or a signal is read backwards"


def windows_of(
    importer: Importer,
    node: Node,
    flow: Flow,
    taps: Sequence[int],
    *,
    ceil: bool = False,
) -> tuple[Flow, list[Indices], Sliding | None]:
    """A flow, (N, C, ...), and for each axis of windows, (windows, taps), the indices that these see. Of time the flow has what
    the taps of the one window see; how windows slide over it is given too.
    """
    time = time_of(importer, flow)
    sizes = [_length(flow.axes[2 + axis]) if axis == time else size for axis, size in enumerate(flow.index_map.shape[2:])]
    sliding = sliding_of(node, sizes, taps, ceil=ceil)
    windows = [one.indices() for axis, one in enumerate(sliding) if axis != time]
    if time is not None:
        flow = with_past(importer, node, flow, time, sliding[time])
        windows.insert(time, np.arange(sliding[time].taps)[None])
    return flow, windows, None if time is None else sliding[time]


def time_of(importer: Importer, flow: Flow) -> int | None:
    """The number of the axis of windows that is time."""
    return next((axis for axis, each in enumerate(flow.axes[2:]) if importer.role(each) == "time"), None)


def _length(time: Axis) -> int:
    return time.size if isinstance(time.size, int) else LONG


def with_past(importer: Importer, node: Node, flow: Flow, axis: int, one: Sliding) -> Flow:
    """A flow whose axis of windows that is time has what each tap of a window sees."""
    time, ago = slid(importer, node, flow, one)
    past, maps = importer.ago(node, flow, ago, one.stride)
    return replace(past, index_map=np.concatenate(maps, 2 + axis), time=time)


def slid(importer: Importer, node: Node, flow: Flow, one: Sliding) -> tuple[TimeMap, list[int]]:
    """`TimeMap.slid`, for windows over a flow."""
    limit(node, one.taps)
    time, ago = flow.time.slid(one)
    limit(node, time.rate)
    if one.stride != 1:
        importer.moves_time.append(
            node.refused(
                "its stride over time is not 1, and recordings that are read backwards, or come with their lengths, need an "
                "answer to each row; export the model without a stride"
            )
        )
    before = one.before - flow.time.late
    if time.late > 0 and time.surplus < 0:
        importer.look_ahead(
            node.refused(
                f"gives {count_of(-time.surplus)} fewer than it takes; put {one.reach} zeros before the first step, so that it "
                "gives one for each"
            )
        )
    elif time.late > 0:
        importer.look_ahead(
            node.refused(
                f"looks {count_of(time.late)} ahead, with {before} zeros before the first step where it reaches over "
                f"{one.reach}, {_NO_DELAY}: train it with all of its padding, {one.reach}, before the first step"
            )
        )
    return time, ago


def longer(importer: Importer, node: Node, flow: Flow, before: int, after: int) -> Flow:
    """A flow with so many zeros before its first step and after its last; negative: with as many steps cut off."""
    time = flow.time.padded(before, after)
    if time.late > max(0, flow.time.late):
        importer.look_ahead(
            node.refused(
                f"leaves out the first {count_of(time.late)} of a signal, so that what it gives looks {count_of(time.late)} "
                f"ahead, {_NO_DELAY}: put as many zeros before the first step"
            )
        )
    return replace(importer.begun(node, flow) if before > 0 else flow, time=time)


def count_of(count: int) -> str:
    """So many steps, in words."""
    return f"{count} step{'s' * (count != 1)}"
