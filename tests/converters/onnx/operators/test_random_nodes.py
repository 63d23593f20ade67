"""Random LSTM, GRU and RNN nodes over every attribute, tensor and output of the ONNX definition, beside it in float64.

Whole recordings of every node, of its own length each; streams too, step by step and in chunks, where a node can be streamed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import Stream, run_offline
from tests.models import one_width  # noqa: F401  (a fixture)

onnx = pytest.importorskip("onnx", reason="imports ONNX graphs, and onnx is not installed")

from streamrnn_converters.onnx import read_onnx  # noqa: E402
from streamrnn_converters.onnx.imported import GraphOutput, Imported  # noqa: E402
from tests.converters.onnx.definition import ALPHAS, BETAS, DEFAULTS, FUNCTIONS, WAYS, defined, ways  # noqa: E402
from tests.converters.onnx.onnx_graphs import NEWEST_OPSET, OUTPUTS, RecurrentNode, random_node, recurrent_model  # noqa: E402

Array = NDArray[Any]
TOLERANCE = 5e-6
OPS = ("LSTM", "GRU", "RNN")
#: Seeds that are tested together: a test for each case would take longer than the cases.
PACKS = [range(begin, begin + 100) for begin in range(0, 800, 100)]
#: Those of onnxruntime, which takes a while to load a graph.
SEEDS = range(250)


@dataclass(frozen=True)
class Case:
    """A node, the graph around it, a batch of recordings for it, and their lengths where the node is told them."""

    node: RecurrentNode
    model: Any
    x: Array
    lengths: Array | None
    outputs: tuple[str, ...]

    @property
    def layout(self) -> int:
        return self.node.attributes.get("layout", 0)  # type: ignore[no-any-return]

    @property
    def signals(self) -> list[Array]:
        """The recordings, each of its own length."""
        whole = self.x if self.layout else self.x.swapaxes(0, 1)
        return [signal[:length] for signal, length in zip(whole, self.ends, strict=True)]

    @property
    def ends(self) -> list[int]:
        n_steps, batch = self.x.shape[self.layout], self.x.shape[1 - self.layout]
        return [n_steps] * batch if self.lengths is None else [int(length) for length in self.lengths]

    @property
    def feed(self) -> dict[str, Array]:
        """The graph's inputs."""
        given = {entry.name for entry in self.model.graph.input}
        lengths = {"sequence_lens": self.lengths} if self.lengths is not None and "sequence_lens" in given else {}
        return {"X": self.x, **lengths}

    @property
    def is_clear(self) -> bool:
        """Whether onnxruntime runs it as ONNX defines it: it takes some parameters that are left out for 0."""
        if self.layout or "hidden_size" not in self.node.attributes:
            return False
        names = self.node.attributes.get("activations", ())
        return all(
            sum(name in having for name in names) == len(self.node.attributes.get(f"activation_{parameter}", ()))
            for parameter, having in (("alpha", ALPHAS), ("beta", BETAS))
        )


def drawn(op: str, seed: int) -> Case:
    """A case in which every attribute and every tensor may be there or not, in any opset that has them all.

    Functions that are not bounded get small weights and short signals: an LSTM squares with every step what they let grow.
    """
    rng = np.random.default_rng((OPS.index(op), seed))
    attributes: dict[str, Any] = {"direction": str(rng.choice(["", *WAYS]))}
    if not attributes["direction"]:
        del attributes["direction"]
    n_functions = len(DEFAULTS[op]) * len(WAYS[attributes.get("direction", "forward")])
    standard = rng.random() < 0.4
    if not standard:
        attributes["activations"] = [str(name) for name in rng.choice(list(FUNCTIONS), n_functions)]
        for parameter, ranges in (("alpha", ALPHAS), ("beta", BETAS)):
            values = [float(rng.uniform(*ranges[name])) for name in attributes["activations"] if name in ranges]
            whole = "ScaledTanh" in attributes["activations"] or rng.random() < 0.6
            kept = len(values) if whole else int(rng.integers(0, len(values) + 1))
            if kept:
                attributes[f"activation_{parameter}"] = values[:kept]
    if rng.random() < 0.4:
        attributes["clip"] = float(rng.uniform(0.2, 1.2))
    if op == "LSTM" and rng.random() < 0.5:
        attributes["input_forget"] = int(rng.random() < 0.8)
    if op == "GRU" and rng.random() < 0.7:
        attributes["linear_before_reset"] = int(rng.random() < 0.8)
    if rng.random() < 0.35:
        attributes["layout"] = int(rng.random() < 0.8)
    layout = attributes.get("layout", 0)
    n_inputs, batch, hidden = int(rng.integers(1, 7)), int(rng.integers(1, 4)), int(rng.choice([1, 2, 3, 5, 8, 9, 17]))
    n_steps = int(rng.integers(2, 13 if standard else 7))
    node = random_node(rng, op, n_inputs, hidden, batch=batch, gain=1.0 if standard else 0.6, **attributes)
    rarely = {"B": 0.2, "initial_h": 0.2, "initial_c": 0.2, "P": 0.5, "hidden_size": 0.2}
    node = node.but(*(name for name, share in rarely.items() if rng.random() < share))
    x = rng.normal(size=(batch, n_steps, n_inputs) if layout else (n_steps, batch, n_inputs)).astype(np.float32)
    lengths = rng.integers(1, n_steps + 1, batch, dtype=np.int32) if rng.random() < 0.3 else None
    if lengths is not None:
        node = node.but(sequence_lens=lengths)
    opset = int(rng.integers(14 if "layout" in attributes else 7, NEWEST_OPSET + 1))
    whole = rng.random() < 0.5
    model = recurrent_model(
        node, opset=opset, batch=batch if rng.random() < 0.7 else "batch", n_steps=n_steps if whole else "n_steps"
    )
    if lengths is not None and rng.random() < 0.7:
        given_by_a_graph_input(model)
    outputs = tuple(name for name in OUTPUTS[op] if rng.random() < 0.8) or ("Y_h",)
    kept_outputs = [entry for entry in model.graph.output if entry.name in outputs]
    del model.graph.output[:]
    model.graph.output.extend(kept_outputs)
    return Case(node, model, x, lengths, outputs)


def given_by_a_graph_input(model: Any) -> None:
    """Make the constant lengths of a graph one of its inputs."""
    (constant,) = (tensor for tensor in model.graph.initializer if tensor.name == "sequence_lens")
    model.graph.initializer.remove(constant)
    batch = model.graph.input[0].type.tensor_type.shape.dim[0 if _layout(model) else 1]
    size = batch.dim_value or batch.dim_param
    model.graph.input.append(onnx.helper.make_tensor_value_info("sequence_lens", onnx.TensorProto.INT32, [size]))


def _layout(model: Any) -> int:
    return next((attribute.i for attribute in model.graph.node[0].attribute if attribute.name == "layout"), 0)


def answered(case: Case) -> dict[str, Array]:
    """The graph's outputs, each recording evaluated as a whole; Y is zero behind its end."""
    imported = read_onnx(case.model.SerializeToString(), offline=True)
    assert imported.offline == (imported.lengths is not None or -1 in ways(case.node))
    answers = [run_offline(imported.model, signal, states=True) for signal in case.signals]
    return arranged(case, imported, [y for y, _ in answers], [states for _, states in answers])


def streamed(case: Case) -> dict[str, Array]:
    """The graph's outputs, half of each signal by step, the rest as a chunk."""
    imported = read_onnx(case.model.SerializeToString())
    ys, states = [], []
    for signal in case.signals:
        stream, half = Stream(imported.model), len(signal) // 2
        ys.append(np.concatenate([[stream.step(row) for row in signal[:half]], stream.process(signal[half:])]))
        states.append(stream.states)
    return arranged(case, imported, ys, states)


def ending(output: GraphOutput, y: Array, states: Any) -> Array:
    """What an output without time has of a signal: states, else the last row."""
    if not output.states:
        return y[-1, output.start : output.start + output.size]
    return np.concatenate([states[layer][name] for layer, name in output.states])[list(output.places)]


def arranged(case: Case, imported: Imported, ys: Sequence[Array], states: Sequence[Any]) -> dict[str, Array]:
    """What signals gave, as ONNX lays its outputs out: (time, direction, batch, H), and (direction, batch, H) of states."""
    results = {}
    direction = "one" if len(ways(case.node)) == 1 else "feature"
    for output in imported.outputs:
        axes = ["layer", "batch", "feature"] if output.name != "Y" else ["time", direction, "batch", "feature"]
        if case.layout:
            axes.insert(0, axes.pop(-2))
        assert [*output.axes] == axes
        if output.name != "Y":
            value = np.array([ending(output, y, own) for y, own in zip(ys, states, strict=True)])
            value = value.reshape(len(ys), len(ways(case.node)), -1)
            results[output.name] = value if case.layout else value.swapaxes(0, 1)
            continue
        whole = np.zeros((len(ys), case.x.shape[case.layout], ys[0].shape[1]))
        for row, y in zip(whole, ys, strict=True):
            row[: len(y)] = y
        value = whole.reshape(*whole.shape[:2], len(ways(case.node)), -1)
        results[output.name] = value if case.layout else value.transpose(1, 2, 0, 3)
    assert set(results) == set(case.outputs)
    return results


def expected(case: Case) -> dict[str, Array]:
    """The graph's outputs by the definition."""
    whole = dict(zip(OUTPUTS[case.node.op], defined(case.node, case.x, case.lengths), strict=True))
    return {name: whole[name] for name in case.outputs}


def error(results: dict[str, Array], wanted: dict[str, Array]) -> float:
    """The largest, relative to the largest value where that is above 1: LSTMs whose activations are not bounded may grow."""
    scale = max(1.0, *(float(np.abs(values).max()) for values in wanted.values()))
    assert {name: values.shape for name, values in results.items()} == {name: values.shape for name, values in wanted.items()}
    return max(float(np.abs(results[name] - values).max()) for name, values in wanted.items()) / scale


@pytest.mark.parametrize("seeds", PACKS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
@pytest.mark.parametrize("op", OPS)
def test_a_node_gives_what_the_definition_of_its_operator_says(op: str, seeds: range) -> None:
    n_streamed = 0
    for seed in seeds:
        case = drawn(op, seed)
        wanted = expected(case)
        assert error(answered(case), wanted) <= TOLERANCE, (seed, case.node)
        if case.lengths is None and ways(case.node) == (1,):
            assert error(streamed(case), wanted) <= TOLERANCE, (seed, case.node)
            n_streamed += 1
    assert n_streamed >= 20


@pytest.mark.parametrize("op", OPS)
def test_a_node_gives_what_onnxruntime_computes(op: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    cases = [case for case in (drawn(op, seed) for seed in SEEDS) if case.is_clear]
    assert len(cases) >= 50
    for case in cases:
        session = onnxruntime.InferenceSession(case.model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        theirs = dict(zip((output.name for output in session.get_outputs()), session.run(None, case.feed), strict=True))
        assert error(answered(case), theirs) <= TOLERANCE, case.node
