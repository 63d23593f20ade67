"""What operators see of time: steps of the past in their windows, and steps before the first and after the last."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, needs_flow
from streamrnn_converters.onnx.values import Flow, Value
from streamrnn_converters.onnx.windows import LONG, Indices, sliding_of


def padded_flow(node: Node, value: Value | None) -> tuple[Flow, tuple[int, int]]:
    """The signal, and the zeros before its first step and after its last."""
    padding = value.padding if isinstance(value, Flow) else (0, 0)
    return needs_flow(node, replace(value, padding=(0, 0)) if isinstance(value, Flow) else value, "X"), padding


def windows_of(
    importer: Importer,
    node: Node,
    flow: Flow,
    padding: tuple[int, int],
    taps: Sequence[int],
    *,
    ceil: bool = False,
    may_pad: bool = True,
) -> tuple[Flow, list[Indices]]:
    """A flow, (N, C, ...), and for each axis of windows, (windows, taps), the indices that these see. Of time the flow has what
    the taps of the one window see.

    padding  zeros before the first step and after the last
    may_pad  whether the operator may put zeros there itself
    """
    time = time_of(importer, flow)
    sizes = [LONG if axis == time else size for axis, size in enumerate(flow.index_map.shape[2:])]
    sliding = sliding_of(node, sizes, taps, ceil=ceil)
    windows = [one.indices() for axis, one in enumerate(sliding) if axis != time]
    if time is not None:
        one = sliding[time]
        if one.stride != 1:
            raise node.refused("its stride over time is not 1: it gives fewer steps than it takes, and a stream one for each")
        if not may_pad and (one.before or one.after):
            raise node.refused("pads time with what counts as nothing; put zeros before the first step instead")
        ago = [padding[0] + one.before - tap * one.dilation for tap in range(one.taps)]
        flow = with_past(importer, node, flow, time, ago, sum(padding) + one.before + one.after - one.reach)
        windows.insert(time, np.arange(one.taps)[None])
    return flow, windows


def time_of(importer: Importer, flow: Flow) -> int | None:
    """The number of the axis of windows that is time."""
    return next((axis for axis, each in enumerate(flow.axes[2:]) if importer.role(each) == "time"), None)


def with_past(importer: Importer, node: Node, flow: Flow, time: int, ago: Sequence[int], surplus: int) -> Flow:
    """A flow whose axis of time has what each tap sees; the steps that come beyond the last are noted."""
    surplus = gained(node, ago, surplus)
    past, maps = importer.ago(node, flow, ago)
    return replace(past, index_map=np.concatenate(maps, 2 + time), surplus=flow.surplus + surplus)


def longer(node: Node, flow: Flow, before: int, after: int) -> Flow:
    """A flow with so many zeros before its first step and after its last; negative: with as many steps cut off."""
    first, last = flow.padding[0] + before, flow.padding[1] + after
    if first < 0:
        raise node.refused(
            f"leaves out the first {count_of(-first)} of a signal, so that what it gives looks {count_of(-first)} ahead, which "
            "a stream cannot; put as many zeros before the first step"
        )
    return replace(flow, padding=(first, max(0, last)), surplus=flow.surplus + min(0, last))


def gained(node: Node, ago: Sequence[int], surplus: int) -> int:
    """The steps that a convolution gives more than it takes, after the last; refuses one that looks ahead.

    ago      how many steps ago is what each of its taps sees; of all taps some sees the present
    surplus  steps that it gives more than it takes
    """
    before, reach = max(ago), max(ago) - min(ago)
    if before >= reach:
        return surplus
    if surplus < 0:
        raise node.refused(
            f"gives {count_of(-surplus)} fewer than it takes; put {reach} zeros before the first step, so that it gives one "
            "for each"
        )
    raise node.refused(
        f"looks {count_of(reach - before)} ahead, with {before} zeros before the first step where it reaches over {reach}; a "
        f"stream cannot: train it with all of its padding, {reach}, before the first step"
    )


def count_of(count: int) -> str:
    """So many steps, in words."""
    return f"{count} step{'s' * (count != 1)}"
