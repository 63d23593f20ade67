"""Last stage: from the values at the graph's outputs to a model, and how the graph's inputs and outputs map to a stream."""

import os

import streamrnn_converters.onnx.dense
import streamrnn_converters.onnx.plumbing
import streamrnn_converters.onnx.recurrent  # noqa: F401 - the three fill the table of operators
from streamrnn import ConversionError, Model
from streamrnn_converters.onnx.imported import Axis, GraphInput, GraphOutput, Imported
from streamrnn_converters.onnx.interpret import Walk
from streamrnn_converters.onnx.parse import Graph, parse, read_bytes
from streamrnn_converters.onnx.values import Axis as NamedAxis
from streamrnn_converters.onnx.values import Flowing, Signal, States


def from_onnx(source: str | os.PathLike[str] | bytes) -> Model:
    """The model in an ONNX file.

    LSTM, GRU and RNN nodes (forward, opset 7 and newer) with everything of their definition that can be streamed, stacked, with
    dense layers and their activations, in the plumbing that exporters put around them.

    source  path or bytes

    Raises ConversionError, naming the node and the reason, for whatever cannot be streamed or is not understood.
    """
    return read_onnx(source).model


def read_onnx(source: str | os.PathLike[str] | bytes) -> Imported:
    """The model in an ONNX file, and how the graph's input and outputs map to a stream of it. Raises as `from_onnx` does."""
    graph = parse(read_bytes(source))
    walk = Walk(graph)
    signal, flowing = _main_signal(graph, walk)
    model = Model(signal.layers, notes={"source": _origin(graph)})
    given = _input(graph, walk, signal)
    outputs = tuple(_output(walk, name, value, signal) for name, value in flowing.items())
    for output in outputs:
        if output.states:
            walk.remark(f"graph output {output.name!r} is a final state; a stream keeps it, see Stream.states")
    return Imported(model, given, outputs, tuple(walk.remarks))


def _origin(graph: Graph) -> dict[str, object]:
    return {"format": "onnx", "producer": graph.producer, "opset": graph.opset, "graph": graph.name}


def _main_signal(graph: Graph, walk: Walk) -> tuple[Signal, dict[str, Flowing]]:
    """The signal that the stream gives: of all outputs the one behind the most layers, on whose way the others must lie."""
    flowing: dict[str, Flowing] = {}
    for name in graph.outputs:
        value = walk.values.get(name)
        if value is None:
            raise ConversionError(f"graph output {name!r}: cannot be streamed; export the model without it")
        if not isinstance(value, Signal | States):
            raise ConversionError(f"graph output {name!r}: does not depend on the signal; export the model without it")
        flowing[name] = value
    signals = [value for value in flowing.values() if isinstance(value, Signal)]
    if not signals:
        signals = [Signal(v.source, v.entries[-1][0], v.axes) for v in flowing.values() if isinstance(v, States)]
    signal = max(signals, key=lambda value: len(value.layers))
    if not signal.layers:
        raise ConversionError("no LSTM, GRU, RNN or dense layer lies between the graph's input and outputs")
    for name, value in flowing.items():
        chains = [value.layers] if isinstance(value, Signal) else [layers for layers, _ in value.entries]
        if any(not _same(chain, signal.layers[: len(chain)]) for chain in chains):
            raise ConversionError(f"graph output {name!r}: the graph branches; only one chain of layers can be streamed")
        if isinstance(value, Signal) and len(value.layers) != len(signal.layers):
            raise ConversionError(
                f"graph output {name!r}: comes from within the model; a stream has one output, its last layer's"
            )
    return signal, flowing


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _input(graph: Graph, walk: Walk, signal: Signal) -> GraphInput:
    for entry in graph.inputs:
        if entry.name != signal.source:
            raise ConversionError(f"graph input {entry.name!r}: has no part in the outputs; export the model without it")
    entry = next(entry for entry in graph.inputs if entry.name == signal.source)
    names = [f"{entry.name}.{index}" for index in range(len(entry.sizes))]
    axes = _roles([walk.roles.get(name, name) for name in names], f"graph input {entry.name!r}")
    walk.roles |= zip(names, axes, strict=True)
    return GraphInput(entry.name, axes, entry.sizes)


def _output(walk: Walk, name: str, value: Flowing, signal: Signal) -> GraphOutput:
    axes = _roles([_role(walk, axis) for axis in value.axes], f"graph output {name!r}")
    if isinstance(value, Signal):
        return GraphOutput(name, axes)
    return GraphOutput(name, axes, tuple((len(layers) - 1, state) for layers, state in value.entries))


def _role(walk: Walk, axis: NamedAxis) -> str:
    role = walk.role(axis)
    return "one" if axis.is_one and role == axis.name else role


def _roles(names: list[str], where: str) -> tuple[Axis, ...]:
    """The names of axes, where one that nothing has bound is the batch, or the time if there are two of them."""
    free = [name for name in names if name not in ("time", "batch", "feature", "layer", "one")]
    wanted: list[Axis] = [role for role in ("time", "batch") if role not in names][-len(free) :] if free else []
    if len(wanted) < len(free):
        raise ConversionError(f"{where}: has axes that are neither time, batch nor features; export the model without them")
    replaced = dict(zip(free, wanted, strict=True))
    known: dict[str, Axis] = {"time": "time", "batch": "batch", "feature": "feature", "layer": "layer", "one": "one"}
    return tuple(known[replaced.get(name, name)] for name in names)
