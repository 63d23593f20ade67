"""Functions and arithmetic, value by value: the axes stay, or are those at which two values meet."""

from streamrnn_converters.onnx.axes.roles import Roles, inserted
from streamrnn_converters.onnx.axes.rules.signals import Inputs, computed
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Axis, Broadcast, Constant, Known, Signal, full_rank

#: Operators that keep the axes of their only signal.
FUNCTIONS = (
    *("Abs", "Celu", "Clip", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Max", "Min"),
    *("Mish", "Neg", "Pow", "Reciprocal", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh"),
    "ThresholdedRelu",
)


def function(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """The axes of the signal."""
    own = next(value for value in inputs if isinstance(value, Signal))
    return computed(node, own.axes, own.surplus)


def arithmetic(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Two signals, or a signal and a constant."""
    a, b = inputs
    if isinstance(a, Signal) and isinstance(b, Signal):
        n_axes = max(len(a.axes), len(b.axes))
        pairs = zip(_padded(node, a, n_axes), _padded(node, b, n_axes), strict=True)
        return computed(node, [_met(roles, node, *pair) for pair in pairs], a.surplus)
    own, other, name = (b, a, "A") if isinstance(b, Signal) else (a, b, "slope" if node.op == "PRelu" else "B")
    assert isinstance(own, Signal)
    return computed(node, _with_constant(roles, node, own, other, name), own.surplus)


def _padded(node: Node, signal: Signal, n_axes: int) -> tuple[Axis, ...]:
    """Axes of size 1 before the signal's own, so that there are `n_axes`."""
    return (*(inserted(node, index) for index in range(n_axes - len(signal.axes))), *signal.axes)


def _with_constant(roles: Roles, node: Node, signal: Signal, value: Known | None, name: str) -> list[Axis]:
    """The axes of a signal that meets a constant: either may repeat along an axis."""
    if not isinstance(value, Constant | Broadcast):
        raise node.refused(f"its input {name} is missing")
    sizes = value.array.shape if isinstance(value, Constant) else full_rank(value).shape
    n_axes = max(len(sizes), len(signal.axes))
    axes = list(_padded(node, signal, n_axes))
    for index, size in enumerate((1,) * (n_axes - len(sizes)) + sizes):
        axis = axes[index]
        if size == 1:
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


def _met(roles: Roles, node: Node, one: Axis, other: Axis) -> Axis:
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
