"""Dense layers, sums over axes, and normalizations: they tell which axes lie within a step."""

from streamrnn_converters.onnx.axes.arguments import axes_argument, axis_indices
from streamrnn_converters.onnx.axes.roles import Roles, inserted
from streamrnn_converters.onnx.axes.rules.signals import Inputs, computed, signal
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Axis, Constant, Signal

REDUCTIONS = (
    *("ArgMax", "ArgMin", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"),
    *("ReduceSum", "ReduceSumSquare"),
)
#: Those that a stream can give of the steps so far.
_SO_FAR = ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum")


def dense(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Gemm and MatMul, the signal times constant weights: the last axis is that of the features."""
    own, weights = signal(node, inputs[0], "A"), inputs[1]
    if not isinstance(weights, Constant) or weights.array.ndim != 2:
        raise node.refused("its input B is not a constant matrix of floats; export the model with its weights inside")
    n_inputs, n_outputs = weights.array.shape[::-1] if node.take("transB", 0) else weights.array.shape
    *others, feature = own.axes
    roles.need(node, feature, n_inputs)
    given = computed(node, others)[0].axes
    return [Signal((*given, Axis(f"{node.outputs[0]}.feature", n_outputs, "feature")))]


def reduction(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """ReduceMean, ReduceSum and the like, ArgMax and ArgMin, over axes within a step."""
    own = signal(node, inputs[0], "X")
    axes = [node.take("axis", 0)] if node.op.startswith("Arg") else axes_argument(node, inputs)
    keep = node.take("keepdims", 1)
    if node.take("noop_with_empty_axes", 0) and not axes:
        return [own]
    summed = axis_indices(node, axes or list(range(len(own.axes))), len(own.axes))
    for index in summed:
        if node.op not in _SO_FAR or not roles.over_time(own.axes[index]):
            roles.need(node, own.axes[index])
    given = computed(node, own.axes)[0].axes
    left = [inserted(node, index) if index in summed else axis for index, axis in enumerate(given)]
    if not keep:
        left = [axis for index, axis in enumerate(left) if index not in summed]
    return [Signal(tuple(left))]


def running_sum(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """CumSum: the axes stay."""
    return computed(node, signal(node, inputs[0], "x").axes)


def softmax(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Over one axis since opset 13; before, over all from `axis` on."""
    own = signal(node, inputs[0], "input")
    _bind_all(roles, node, own, node.take("axis", -1 if roles.opset >= 13 else 1), to_the_end=roles.opset < 13)
    return computed(node, own.axes)


def layer_normalization(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Over all axes from `axis` on."""
    own = signal(node, inputs[0], "X")
    _bind_all(roles, node, own, node.take("axis", -1), to_the_end=True)
    return computed(node, own.axes)


def batch_normalization(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Axis 1 is that of the features; of time and batch too, where mean and variance are computed for each of them."""
    own, scale = signal(node, inputs[0], "X"), inputs[1]
    computed_ones = [value for value in inputs[3:] if isinstance(value, Signal) and len(value.axes) == 1]
    for value in computed_ones:
        roles.bind_alike(node, own.axes[1], value.axes[0])
    if computed_ones:
        return computed(node, own.axes)
    roles.need(node, own.axes[1], scale.array.size if isinstance(scale, Constant) else None)
    return computed(node, own.axes)


def _bind_all(roles: Roles, node: Node, own: Signal, axis: int, *, to_the_end: bool) -> None:
    """Bind an axis, or all from it on, as axes within a step."""
    (first,) = axis_indices(node, [axis], len(own.axes))
    chosen = range(first, len(own.axes)) if to_the_end else [first]
    for index in chosen:
        each, is_last = own.axes[index], index == len(own.axes) - 1
        is_open = roles.role(each) == "unknown" and not isinstance(each.size, int) and not is_last
        if (is_open or roles.role(each) in ("time", "batch", "merged")) and each.size != 1:
            raise node.refused(
                f"axis={axis} is not the feature axis alone; only what goes over all features of a step can be streamed"
            )
    for index in chosen:
        if roles.role(own.axes[index]) == "unknown":
            roles.need(node, own.axes[index])
