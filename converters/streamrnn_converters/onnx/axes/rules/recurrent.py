"""LSTM, GRU and RNN: they tell the roles of all their axes, and which graph inputs bring initial states."""

from collections.abc import Sequence

from streamrnn_converters.onnx.axes.roles import Roles
from streamrnn_converters.onnx.axes.rules.signals import Inputs, signal
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.recurrent_kinds import INITIAL_STATES, RECURRENT_KINDS
from streamrnn_converters.onnx.values import Axis, Constant, Known, Signal, Size

_LENGTHS = 4  # index of the input sequence_lens


def recurrent(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """X is (time, batch, feature), or (batch, time, feature) with layout=1; Y, Y_h and Y_c follow that."""
    own, layout = signal(node, inputs[0], "X"), node.take("layout", 0)
    if len(own.axes) != 3:
        raise node.refused(f"its input X has {len(own.axes)} axes, expected 3: time, batch and feature")
    weights, recurrent_weights = inputs[1], inputs[2]
    if roles.one_step and not all(isinstance(axis.size, int) for axis in own.axes):
        raise node.refused("goes over an axis whose size is not known; export the model with fixed sizes")
    time, batch = own.axes[layout], own.axes[1 - layout]
    if not roles.one_step:
        _bind_axes(roles, node, time, batch)
    roles.bind(node, own.axes[2], "feature", weights.array.shape[2] if isinstance(weights, Constant) else None)
    if len(inputs) > _LENGTHS:
        _bind_lengths(roles, node, inputs[_LENGTHS])
    if not isinstance(weights, Constant) or not isinstance(recurrent_weights, Constant):
        raise node.refused("its weights are not constants; export the model with its weights inside")
    n, _, hidden = recurrent_weights.array.shape
    states = RECURRENT_KINDS[node.op].states
    for value in inputs[INITIAL_STATES : INITIAL_STATES + len(states)]:
        if isinstance(value, Signal) and value.moved:
            of_batch = "feature" if any(map(roles.is_within, batch.parts or (batch,))) else "batch"
            _bind_state(roles, node, value, 1 - layout, of_batch, hidden)
    name = next(filter(None, node.outputs))
    feature = Axis(f"{name}.feature", hidden, "feature")
    direction, stacked = Axis(f"{name}.direction", n, "one" if n == 1 else "feature"), Axis(f"{name}.layer", n, "layer")
    y = (time, direction, batch, feature) if layout == 0 else (batch, time, direction, feature)
    last = (stacked, batch, feature) if layout == 0 else (batch, stacked, feature)
    return [Signal(y), *[Signal(last)] * len(states)]


def _bind_axes(roles: Roles, node: Node, along: Axis, batch: Axis) -> None:
    """The axis of the sequence is time, unless this is known to be elsewhere: then it lies within a step. A batch is one of
    signals, unless values of a step are known to be there, such as bands with a state for each.
    """
    parts = batch.parts or (batch,)
    is_elsewhere = any(roles.role(part) == "time" for part in parts)
    is_open = isinstance(along.size, Size) and (roles.role(along) == "unknown" or along.name in roles.assumed)
    if is_elsewhere and is_open:
        roles.bind(node, batch, "batch")  # refused, for an open axis does not lie within a step
    if roles.role(along) == "unknown" and (is_elsewhere or _are_open(along, parts)):
        roles.bind(node, along, "feature")
    elif not roles.is_within(along) or roles.role(along) == "one":
        roles.bind(node, along, "time")
    if batch.parts or roles.role(batch) not in ("unknown", "one") or roles.role(along) not in ("time", "unknown"):
        return
    if roles.has_other_batch(batch):
        roles.need(node, batch)
    else:
        roles.bind(node, batch, "batch")


def _are_open(along: Axis, parts: Sequence[Axis]) -> bool:
    """Whether the sizes of several parts are open, time and batch, while that of the sequence is fixed."""
    return isinstance(along.size, int) and sum(isinstance(part.size, Size) for part in parts) > 1


def reverse_sequence(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """ReverseSequence-10 names its axes of time and batch."""
    own = signal(node, inputs[0], "input")
    for role, default in (("time", 0), ("batch", 1)):
        roles.bind(node, own.axes[node.take(f"{role}_axis", default)], role)
    _bind_lengths(roles, node, inputs[1])
    return [Signal(own.axes)]


def _bind_lengths(roles: Roles, node: Node, value: Known | None) -> None:
    """The lengths of recordings are one for each signal of a batch."""
    if isinstance(value, Signal) and len(value.axes) == 1:
        roles.bind(node, value.axes[0], "batch")


def _bind_state(roles: Roles, node: Node, state: Signal, batch: int, of_batch: str, hidden: int) -> None:
    """An initial state that graph inputs bring, for the caller carries it from run to run."""
    roles.states |= state.moved
    if len(state.axes) == 3:
        sizes = {batch: None, 1 - batch: 1, 2: hidden}
        for index, axis in enumerate(state.axes):
            roles.bind(node, axis, of_batch if index == batch else "feature", sizes[index])
