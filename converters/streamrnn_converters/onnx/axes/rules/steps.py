"""The importer's own nodes, by which one step of a loop stands in a graph over time."""

from dataclasses import replace

from streamrnn_converters.onnx.axes.arguments import axis_indices
from streamrnn_converters.onnx.axes.roles import Roles
from streamrnn_converters.onnx.axes.rules.signals import Inputs, signal
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Signal


def row(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """A signal without its axis of time, which the node tells."""
    own = signal(node, inputs[0], "of each step")
    if roles.one_step:
        raise node.refused("goes over an axis that is not time")
    (axis,) = axis_indices(node, [node.take("axis")], len(own.axes))
    roles.bind(node, own.axes[axis], "time")
    return [replace(own, axes=own.axes[:axis] + own.axes[axis + 1 :])]


def steps(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """A value of each step with the axis of time that another signal has."""
    own, other = signal(node, inputs[0], "of each step"), signal(node, inputs[1], "over time")
    (place,) = axis_indices(node, [node.take("axis")], len(own.axes) + 1)
    (axis,) = axis_indices(node, [node.take("of")], len(other.axes))
    time, rank = other.axes[axis], node.take("rank", 0)
    if rank not in (0, len(own.axes) + 1):
        raise node.refused(f"fills an array of {rank} axes with values of {len(own.axes)} axes at each step")
    return [replace(own, axes=(*own.axes[:place], time, *own.axes[place:]), moved=frozenset())]


def last(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """A value after the last step."""
    return [signal(node, inputs[0], "after the last step")]
