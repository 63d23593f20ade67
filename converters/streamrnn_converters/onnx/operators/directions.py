"""Input and outputs of a recurrent node, by direction. A backward direction is a layer between two reversals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamrnn import Bank, Layer, Scan, StateOutput
from streamrnn_converters.onnx.axes.arguments import limit
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow
from streamrnn_converters.onnx.operators.over_time import count_of
from streamrnn_converters.onnx.operators.reversing import OFFLINE, take_lengths
from streamrnn_converters.onnx.operators.waiting import waiting
from streamrnn_converters.onnx.values import Axis, Flow, Value
from streamrnn_converters.onnx.vectors import FinalState, LayerOutput, Vector

_DIRECTIONS = {"forward": ("forward",), "reverse": ("reverse",), "bidirectional": ("forward", "reverse")}


@dataclass(frozen=True)
class Signal:
    """The input X of a recurrent node."""

    flow: Flow
    layout: int
    directions: tuple[str, ...]
    within: bool = False  # whether its sequence lies within a step

    @property
    def time(self) -> Axis:
        """The axis of the sequence."""
        return self.flow.axes[self.layout]

    @property
    def batch(self) -> Axis:
        """The axis of signals, or of what has a state each."""
        return self.flow.axes[1 - self.layout]

    @property
    def n_rows(self) -> int:
        """How many states a step advances."""
        return int(self.flow.index_map.shape[1 - self.layout])

    @property
    def feature(self) -> Axis:
        """The axis within a step."""
        return self.flow.axes[2]


def signal_of(importer: Importer, node: Node, inputs: Inputs) -> Signal:
    """X, layout and directions. Refuses what cannot be streamed where the graph is not imported for whole recordings."""
    direction = node.take("direction", "forward")
    if direction not in _DIRECTIONS:
        raise node.refused(f"direction={direction!r} is not one of {', '.join(_DIRECTIONS)}")
    layout = node.take("layout", 0)
    if layout not in (0, 1):
        raise node.refused(f"layout={layout!r} is neither 0 nor 1")
    x = needs_flow(node, inputs[0], "X")
    if len(x.axes) != 3:
        raise node.refused(f"its input X has {len(x.axes)} axes, expected 3: time, batch and feature")
    within = importer.is_within(x.axes[layout])
    if within and not importer.roles.one_step:
        along = x.axes[layout]
        importer.along_rows.append(
            node.refused(
                f"what is its time axis is the {importer.role(along)} axis of the signal{importer.roles.told_by(along)}, and "
                "nothing else goes over time"
            )
        )
    if direction != "forward" and not importer.offline and not within:
        raise node.refused(
            f"direction={direction!r} cannot be streamed, the backward pass needs the end of the signal; export it as "
            f"'forward', {OFFLINE}"
        )
    if x.last:
        raise node.refused("its input is the last step of a signal only; export the model so that it gets every step")
    if not within and not -max(0, x.time.late) <= x.time.surplus <= 0:
        more = f"{count_of(abs(x.time.surplus))} {'more' if x.time.surplus > 0 else 'fewer'}"
        raise node.refused(f"its input has {more} than the model's; cut them off at its end, or put as many before the first")
    take_lengths(importer, node, inputs[4], time=x.axes[layout], batch=x.axes[1 - layout])
    return Signal(x, layout, _DIRECTIONS[direction], within)


def outputs_of(
    importer: Importer, node: Node, x: Signal, layers: Sequence[Layer], carried: Sequence[Flow | None]
) -> list[Value]:
    """Y, Y_h and, of an LSTM, Y_c, from a layer for each direction. `carried`: the graph inputs that bring its states.

    Where the batch lies within a step, such as bands, each row has a state of its own.
    """
    if importer.in_loops and x.time.kind == "one":
        if not any(carried):
            return _begun_anew(importer, node, x, layers)
        if not all(carried):
            raise node.refused("carries one of its states from step to step of a loop, and begins anew with the other")
    importer.over_time = True
    flow, rows = x.flow, x.n_rows
    if flow.time.late > 0:
        layers, flow = waiting(importer, node, layers, replace(flow, index_map=flow.index_map.reshape(rows, -1)))
    whole = importer.vector(node, flow)
    limit(node, rows * max(layer.output_size for layer in layers))
    layers = [layer if rows == 1 else Bank(layer, rows) for layer in layers]
    applied = [
        LayerOutput(layer, (importer.reversed(whole) if direction == "reverse" else whole,))
        for layer, direction in zip(layers, x.directions, strict=True)
    ]
    for state, brought in zip(layers[0].states, carried, strict=True):
        if brought is not None:
            importer.initial[applied[0], state] = brought
    index_map = np.arange(len(layers) * layers[0].output_size).reshape(len(layers), rows, -1)
    in_last = index_map if x.layout == 0 else index_map.swapaxes(0, 1)
    in_y = index_map[None] if x.layout == 0 else in_last[:, None]
    steps: list[Vector] = [
        importer.reversed(one) if direction == "reverse" else one for one, direction in zip(applied, x.directions, strict=True)
    ]
    y, *axes = (importer.axes_of(node, output) for output in range(1 + len(layers[0].states)))
    ends = [
        Flow(tuple(FinalState(one, state) for one in applied), in_last, last, last=x.time.size != 1, time=flow.time)
        for state, last in zip(layers[0].states, axes, strict=True)
    ]
    return [Flow(tuple(steps), in_y, y, time=flow.time), *ends]


def _begun_anew(importer: Importer, node: Node, x: Signal, layers: Sequence[Layer]) -> list[Value]:
    """Y and final states of a node in a loop that begins anew at every step, since the loop does not carry its states."""
    y, *ends = (importer.axes_of(node, output) for output in range(1 + len(layers[0].states)))
    rows = x.flow.index_map.reshape(x.n_rows, -1)
    flows = []
    for state, axes in zip(layers[0].states, ends, strict=True):
        parts: list[Vector] = []
        for layer in layers:
            gives = layer if state == "h" else StateOutput(layer, state)
            for row in rows:
                parts += importer.applied(node, Scan(gives, 1), replace(x.flow, index_map=row)).parts
        index_map = np.arange(sum(part.size for part in parts)).reshape(len(layers), x.n_rows, -1)
        flows.append(Flow(tuple(parts), index_map if x.layout == 0 else index_map.swapaxes(0, 1), axes))
    h = flows[0].index_map
    whole = Flow(flows[0].parts, h[None] if x.layout == 0 else h[:, None], y)
    return [whole, *flows]
