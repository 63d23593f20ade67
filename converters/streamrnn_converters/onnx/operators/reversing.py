"""Signals that are turned around in time, and the lengths of the recordings of a batch.

Both are for whole recordings only: a stream has no end to begin at, and no length that is known in advance.
"""

from dataclasses import replace
from typing import Any

from streamrnn import Reverse
from streamrnn_converters.onnx.axes.arguments import INTEGERS
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.values import Axis, Broadcast, Constant, Flow, Value, describe
from streamrnn_converters.onnx.vectors import First, LayerOutput, Source, Vector

OFFLINE = "or import it for whole recordings: from_onnx(path, offline=True), streamrnn import --offline"


@operator("ReverseSequence")
def _reverse_sequence(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """ReverseSequence-10: each recording of a batch over its own length."""
    x = needs_flow(node, inputs[0], "input")
    axes = {"time": node.take("time_axis", 0), "batch": node.take("batch_axis", 1)}
    if set(axes.values()) != {0, 1} or len(x.axes) < 2:
        raise node.refused(f"time_axis={axes['time']} and batch_axis={axes['batch']} do not fit {len(x.axes)} axes")
    importer.axes_of(node)
    flow = turned(importer, node, x)
    take_lengths(importer, node, inputs[1], time=x.axes[axes["time"]], batch=x.axes[axes["batch"]])
    return [flow]


def turned(importer: Importer, node: Node, value: Flow) -> Flow:
    """A flow, the last step first."""
    flow = needs_flow(node, value, "data")
    if not importer.offline:
        raise node.refused(f"turns {describe(flow)} around in time, which needs its end; export it without, {OFFLINE}")
    if flow.time.surplus:
        raise node.refused(
            f"turns around a signal that has {flow.time.surplus} steps more than the input; cut them off at its end"
        )
    return replace(flow, parts=tuple(importer.reversed(part) for part in flow.parts))


def first_step(flow: Flow) -> Flow | None:
    """The first step of a flow, which a backward direction computes last; None for a flow without such a direction."""
    parts: list[Vector] = [
        part.reads[0] if isinstance(part, LayerOutput) and isinstance(part.layer, Reverse) else First(part)
        for part in flow.parts
    ]
    return replace(flow, parts=tuple(parts), last=True) if not all(isinstance(part, First) for part in parts) else None


def take_lengths(importer: Importer, node: Node, value: Value | None, *, time: Axis, batch: Axis) -> None:
    """Take sequence_lens, which must be the same for all nodes. Those that only repeat the signal's length count as none."""
    if value is not None and not importer.offline:
        raise node.refused(
            f"sequence_lens is given: a stream has no length that is known beforehand; export without it, {OFFLINE}"
        )
    if value is None or _is_whole(value, time):
        importer.whole_only.append(node.refused("has no sequence_lens, while another node has: it would go on after their end"))
        return
    if isinstance(value, Constant):
        lengths: Any = _constant_lengths(node, value, time, batch)
    elif isinstance(value, Flow) and value.integer and len(value.axes) == 1 and [part.size for part in value.parts] == [1]:
        (part,) = value.parts
        assert isinstance(part, Source)
        lengths = part.name
    else:
        raise node.refused(f"its sequence_lens is {describe(value)}; only a graph input or constant integers are understood")
    if importer.lengths not in (None, lengths):
        raise node.refused("has other sequence_lens than a node before it; export the model with the same for all")
    importer.lengths = lengths


def _is_whole(value: Value, time: Axis) -> bool:
    """Whether all lengths are that of the signal."""
    return (
        isinstance(value, Constant | Broadcast) and value.array.size > 0 and all(item == time.size for item in value.array.flat)
    )


def _constant_lengths(node: Node, value: Constant, time: Axis, batch: Axis) -> tuple[int, ...]:
    if value.array.dtype.kind not in INTEGERS or value.array.dtype == object or value.array.ndim != 1:
        raise node.refused(
            f"its sequence_lens is {describe(value)} of {value.array.dtype}, expected integers, one for each signal"
        )
    lengths = tuple(int(length) for length in value.array)
    if isinstance(batch.size, int) and batch.size != len(lengths):
        raise node.refused(f"its sequence_lens has {len(lengths)} values, for {batch.size} signals")
    longest = time.size if isinstance(time.size, int) else max(lengths, default=0)
    if not all(1 <= length <= longest for length in lengths) or not lengths:
        raise node.refused(f"its sequence_lens {list(lengths)} are not all from 1 to the {longest} steps of the signal")
    return lengths
