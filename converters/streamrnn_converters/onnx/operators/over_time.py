"""Steps that operators put before the first step and after the last, or cut off there."""

from collections.abc import Sequence
from dataclasses import replace

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Flow


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
