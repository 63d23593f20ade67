"""Conv over time, and Pad along time: how many steps more than the input they give. What goes over axes within a step is in
`within_step`.
"""

from dataclasses import replace

from streamrnn_converters.onnx.axes import arguments
from streamrnn_converters.onnx.axes.arguments import axis_indices, integers
from streamrnn_converters.onnx.axes.roles import Roles
from streamrnn_converters.onnx.axes.rules import within_step
from streamrnn_converters.onnx.axes.rules.signals import Inputs, signal
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Axis, Constant, Signal, Size, n_windows
from streamrnn_converters.onnx.windows import LONG, sliding_of

_ROLES = ("batch", "feature", "time")


def convolution(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Conv-11 over (batch, channels, ...). A lone axis of windows it tells to be time, where nothing tells otherwise."""
    own, weights = signal(node, inputs[0], "X"), inputs[1]
    if not isinstance(weights, Constant) or weights.array.ndim != len(own.axes) or weights.array.ndim < 3:
        raise node.refused("only convolutions over (batch, channels, ...) with constant weights are understood")
    strided = set(node.attributes.get("strides") or [1]) != {1}
    over_time = len(own.axes) == 3 and not roles.is_within(own.axes[2]) and not (strided and _is_fixed(roles, own.axes[2]))
    first = own.axes[0]
    if not over_time or first.parts or roles.role(first) not in ("unknown", "one", "batch") or roles.has_other_batch(first):
        return within_step.convolution(roles, node, own, weights.array.shape)
    n_outputs, per_group, taps = weights.array.shape
    batch, channels, time = (roles.bind(node, axis, role) for axis, role in zip(own.axes, _ROLES, strict=True))
    roles.bind(node, channels, "feature", per_group * node.take("group", 1))
    (one,) = sliding_of(node, [time.size if isinstance(time.size, int) else LONG], [taps])
    time = time._replace(size=n_windows(time.size, one))
    return [Signal((batch, Axis(f"{node.outputs[0]}.feature", n_outputs, "feature"), time))]


def padding(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Pad-13. Along an axis of which nothing is known it leaves open what the axis is."""
    own = signal(node, inputs[0], "data")
    for index, before, after in pads_argument(node, inputs, len(own.axes)):
        axis = own.axes[index]
        if (before, after) == (0, 0):
            continue
        role = roles.role(axis)
        if role in ("batch", "merged"):
            raise node.refused(f"pads the {role} axis; only time can be padded, for a convolution, and axes within a step")
        mirrors = node.attributes.get("mode", "constant") != "constant"
        if roles.is_within(axis) or (mirrors and _is_fixed(roles, axis)):
            own = within_step.padded(roles, node, own, index, before + after)
            continue
        if isinstance(axis.size, Size):
            roles.bind(node, axis, "time")
        if after <= 0 < before and not axis.parts:
            roles.late.setdefault(axis.name, None)
        longer = axis._replace(size=axis.size + before + after)
        own = replace(own, axes=(*own.axes[:index], longer, *own.axes[index + 1 :]))
    return [own]


def _is_fixed(roles: Roles, axis: Axis) -> bool:
    """Whether an axis of unknown role has a known size, more than 1. Where it is strided or mirrored, it is not time."""
    return roles.role(axis) == "unknown" and isinstance(axis.size, int) and axis.size > 1


def pads_argument(node: Node, inputs: arguments.Inputs, n_axes: int) -> list[tuple[int, int, int]]:
    """What Pad adds, an attribute before opset 11: axis, entries before the first and after the last."""
    pads = node.take("pads")
    pads = pads if pads is not None else integers(node, inputs[1], "pads")
    axes = list(range(n_axes))
    if len(inputs) > 3 and inputs[3] is not None:
        axes = axis_indices(node, integers(node, inputs[3], "axes"), n_axes)
    if len(pads) != 2 * len(axes):
        raise node.refused(f"pads {pads} do not fit {len(axes)} axes")
    return list(zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True))
