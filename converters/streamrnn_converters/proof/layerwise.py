"""`layerwise`: compare the recurrent layers one by one with their nodes, to find the first that differs."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from streamrnn import GRU, LSTM, RNN, Model, Stream, VerificationError
from streamrnn_converters.onnx.rerun.runnable import runnable
from streamrnn_converters.proof.origin import read_origin
from streamrnn_converters.proof.report import json_values
from streamrnn_converters.proof.streaming import stream_steps
from streamrnn_converters.proof.submodel import up_to
from streamrnn_converters.proof.text_table import text_table
from streamrnn_converters.reference_runs.graph_arrays import first_states, input_array, random_signal
from streamrnn_converters.reference_runs.process import reference_process

Array = NDArray[Any]

_STEPS = 200  # where the graph leaves them open


@dataclass(frozen=True)
class LayerError:
    """The h of one recurrent layer, beside the output Y of its node."""

    layer: int
    kind: str
    node: str
    absolute: float  # the largest |ours - reference|
    first_disagreement: int | None  # the first step, counted from 0, with a value that does not agree


@dataclass(frozen=True)
class Layerwise:
    """The errors of the recurrent layers that have a node in the graph, in the model's order; `str` gives a table."""

    tolerance: float
    n_steps: int
    layers: tuple[LayerError, ...]
    remarks: tuple[str, ...] = ()

    @property
    def first(self) -> LayerError | None:
        """The first layer that does not agree. The fault is in it, or in what lies between it and the layer before."""
        return next((layer for layer in self.layers if layer.first_disagreement is not None), None)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values; a number that is not finite becomes a string."""
        return dict(json_values(asdict(self)))

    def __str__(self) -> str:
        rows = [("layer", "node", "abs. error", "")]
        for found in self.layers:
            since = "" if found.first_disagreement is None else f"differs from step {found.first_disagreement} on"
            rows.append((f"{found.layer} ({found.kind})", found.node, f"{found.absolute:.2e}", since))
        lines = text_table(rows) if self.layers else []
        if (first := self.first) is not None:
            verdict = [f"layer {first.layer} ({first.kind}) is the first that differs from its node {first.node!r}"]
        else:
            verdict = []
        return "\n".join([*lines, *self.remarks, *verdict])


def layerwise(
    model: Model,
    source: str | os.PathLike[str] | bytes,
    *,
    constants: Mapping[str, Any] | None = None,
    allow_external_data: bool = False,
    seed: int = 0,
    tolerance: float = 1e-5,
    timeout: float = 600.0,
) -> Layerwise:
    """Compare each recurrent layer of a model with its node in the ONNX graph `source`, on one normally distributed signal.

    Layers and nodes are matched by their order and sizes. Where these do not fit, none is compared and a remark says so.

    Raises VerificationError where the source cannot be imported or run, MissingExtraError without onnx and onnxruntime.
    """
    data, imported = read_origin(model, source, constants, allow_external_data)
    if imported.model.stride > 1 or any(output.late for output in imported.outputs):
        remark = "the graph looks ahead or has a stride, so that each of them has other steps"
        return Layerwise(tolerance, 0, (), (f"layers were not compared one by one: {remark}",))
    if imported.offline:
        return Layerwise(tolerance, 0, (), ("layers were not compared one by one: the graph answers whole recordings",))
    graph = onnx.load_model_from_string(runnable(data)[0])
    cells = [(index, layer) for index, layer in enumerate(model.layers) if isinstance(layer, LSTM | GRU | RNN)]
    nodes = _recurrent_nodes(graph)
    sizes = [(layer.kind, layer.hidden_size) for _, layer in cells]
    if not cells or sizes != [(node.kind, node.hidden_size) for node in nodes]:
        remark = "its recurrent layers have no nodes of their own in the graph" if cells else "it has no recurrent layers"
        return Layerwise(tolerance, 0, (), (f"layers were not compared one by one: {remark}",))
    given = {info.name for info in graph.graph.output}
    for name in dict.fromkeys(node.y for node in nodes if node.y not in given):
        graph.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    n_steps, n_signals = imported.size_of("time") or _STEPS, imported.size_of("batch") or 1
    x = random_signal(np.random.default_rng(seed), imported.inputs, 1.0, n_steps, 1)
    feed = {entry.name: input_array(np.repeat(x, n_signals, axis=1), entry) for entry in imported.inputs}
    feed |= {entry.name: first_states(entry, n_signals) for entry in imported.states} | dict(imported.constants)
    with reference_process(graph.SerializeToString(), timeout) as reference:
        answers = reference.run(feed)
    found = []
    for (index, layer), node in zip(cells, nodes, strict=True):
        largest, first = _compare(model, index, x[:, 0], answers[node.y][:, 0], tolerance)
        found.append(LayerError(index, layer.kind, node.name, largest, first))
    return Layerwise(tolerance, n_steps, tuple(found))


class _Node(NamedTuple):
    """A recurrent node of a graph."""

    name: str
    kind: str  # lstm, gru or rnn
    hidden_size: int
    y: str  # the name of its output Y, the h of every step


def _recurrent_nodes(model: onnx.ModelProto) -> list[_Node]:
    """The recurrent nodes that outputs depend on. Each gets a name for its Y where it has none."""
    wanted = {info.name for info in model.graph.output}
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            shapes[node.output[0]] = numpy_helper.to_array(node.attribute[0].t).shape
    found = []
    for index, node in reversed(list(enumerate(model.graph.node))):
        if not wanted & set(filter(None, node.output)):
            continue
        wanted.update(filter(None, node.input))
        if node.op_type in ("LSTM", "GRU", "RNN"):
            if not node.output[0]:
                node.output[0] = f"layerwise.{index}"
            hidden = next((a.i for a in node.attribute if a.name == "hidden_size"), 0) or shapes.get(node.input[2], (0,))[-1]
            found.append(_Node(node.name or f"#{index}", node.op_type.lower(), int(hidden), node.output[0]))
    return found[::-1]


def _compare(model: Model, layer: int, x: Array, theirs: Array, tolerance: float) -> tuple[float, int | None]:
    """The largest error of a layer's h, and the first step that does not agree; theirs is (n_steps, n_signals, H)."""
    stream = Stream(up_to(model, layer))
    ours = stream_steps(stream, x)
    if ours.shape[1] != theirs.shape[2]:
        raise VerificationError(f"layer {layer}: gives {ours.shape[1]} values, but onnxruntime {theirs.shape[2]}")
    reference = theirs[: len(ours)].astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(ours[:, None] - reference)
    wrong = np.nonzero(~(error <= tolerance * np.maximum(1, np.abs(reference))))[0]
    return float(error.max(initial=0)), int(wrong.min()) if wrong.size else None
