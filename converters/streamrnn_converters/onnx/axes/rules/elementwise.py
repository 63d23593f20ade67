"""Functions and arithmetic, value by value: the axes stay, or are those at which two values meet."""

from collections.abc import Sequence
from string import ascii_uppercase

from streamrnn_converters.onnx.axes.roles import Roles, inserted
from streamrnn_converters.onnx.axes.rules.signals import Inputs, computed
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Axis, Broadcast, Constant, Known, Signal, full_rank, progression

#: Operators that keep the axes of their only signal.
FUNCTIONS = (
    *("Abs", "Ceil", "Celu", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu"),
    *("Log", "Mish", "Neg", "Not", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus"),
    *("Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu"),
)
#: Operators of values that are broadcast to each other.
COMBINATIONS = (
    *("Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Mul", "Or", "PRelu"),
    *("Sub", "Where", "Xor"),
)
#: Operators that may combine a signal with the numbers of its steps.
COUNTED = ("Add", "Div", "Max", "Min", "Mul", "Sub")
_NAMES = {"PRelu": ("X", "slope"), "Where": ("condition", "X", "Y")}


def function(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """The axes of the signal."""
    own = next(value for value in inputs if isinstance(value, Signal))
    return computed(node, own.axes)


def combination(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Signals that meet each other, and then constants."""
    first, *others = (value for value in inputs if isinstance(value, Signal))
    axes: Sequence[Axis] = first.axes
    for other in others:
        n_axes = max(len(axes), len(other.axes))
        pairs = zip(_padded(node, axes, n_axes), _padded(node, other.axes, n_axes), strict=True)
        axes = [met(roles, node, *pair) for pair in pairs]
    for index, value in enumerate(inputs):
        if not isinstance(value, Signal):
            axes = with_constant(roles, node, axes, value, input_name(node, index))
    return computed(node, axes)


def input_name(node: Node, index: int) -> str:
    """What the operator's definition calls an input."""
    return _NAMES.get(node.op, ascii_uppercase)[index]


def _padded(node: Node, axes: Sequence[Axis], n_axes: int) -> tuple[Axis, ...]:
    """Axes of size 1 before those that are there, so that there are `n_axes`."""
    return (*(inserted(node, index) for index in range(n_axes - len(axes))), *axes)


def with_constant(roles: Roles, node: Node, own: Sequence[Axis], value: Known | None, name: str) -> list[Axis]:
    """The axes of a signal that meets a constant: either may repeat along an axis."""
    if not isinstance(value, Constant | Broadcast):
        raise node.refused(f"its input {name} is missing")
    sizes = value.array.shape if isinstance(value, Constant) else full_rank(value).shape
    n_axes = max(len(sizes), len(own))
    axes = list(_padded(node, own, n_axes))
    for index, size in enumerate((1,) * (n_axes - len(sizes)) + sizes):
        axis = axes[index]
        if size == 1 or (node.op in COUNTED and roles.role(axis) == "time" and _counts(value, index - n_axes, axis)):
            continue
        within = roles.is_within(axis) or roles.role(axis) == "unknown"
        if not within or (isinstance(axis.size, int) and axis.size not in (1, size)):
            expected = ", ".join(str(other.size) if roles.is_within(other) else "1" for other in axes)
            across = "" if within else f": it differs along the {roles.role(axis)} axis{roles.told_by(axis)}"
            raise node.refused(
                f"its input {name} has shape {sizes}, which does not fit the values of a step, ({expected}){across}"
            )
        axes[index] = roles.need(node, axis, size)
        if axis.size == 1:
            axes[index] = Axis(f"{node.outputs[0]}.{index}", size, "feature")
    return axes


def _counts(value: Constant | Broadcast, index: int, axis: Axis) -> bool:
    """Whether a constant is an arithmetic progression along time, its axis `index` from the end, so that a stream can count."""
    return isinstance(value, Constant) and progression(value.array, value.array.ndim + index, axis.size) is not None


def met(roles: Roles, node: Node, one: Axis, other: Axis) -> Axis:
    """The axis along which two signals meet: both have the same role, or one has size 1."""
    roles.bind_alike(node, one, other)
    broad = roles.broad(one), roles.broad(other)
    if broad[0] != broad[1] and "unknown" not in broad:
        across, within = (one, other) if broad[1] == "within" else (other, one)
        if "within" not in broad or within.size != 1:
            raise node.refused(
                f"combines the {roles.role(one)} axis of one signal with the {roles.role(other)} axis of the other"
                f"{roles.told_by(one) or roles.told_by(other)}"
            )
        return across
    if 1 in (one.size, other.size):
        return other if one.size == 1 else one
    if isinstance(one.size, int) and isinstance(other.size, int) and one.size != other.size:
        raise node.refused(f"combines {one.size} values with {other.size}")
    if [roles.role(part) for part in one.parts] != [roles.role(part) for part in other.parts]:
        raise node.refused("combines signals whose axes were merged in different orders")
    return one
