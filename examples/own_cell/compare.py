"""python examples/own_cell/compare.py: cells of your own, beside float64 and beside onnxruntime.

Prints the largest error over 1 000 steps against the equations in float64 NumPy, and the time of a step beside that of the same
cell in onnxruntime, a graph of one step whose states go from run to run (IO binding, one thread).
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))
from cells import coupled_lstm, li_gru, min_gru

import streamrnn

INPUTS, UNITS = 8, 32
N_STEPS, N_TIMED, N_ROUNDS = 1000, 500, 40

Array = np.ndarray[Any, np.dtype[Any]]


def weights(layer: Any, *, peepholes: bool = False, recurrent: bool = True) -> Any:
    """A layer of a kind with random weights."""
    rng, n_sums = np.random.RandomState(0), {"min_gru": 2, "li_gru": 2, "coupled_lstm": 3}[layer.kind]

    def drawn(*shape: int) -> Array:
        return rng.uniform(-1, 1, shape).astype(np.float32) / UNITS**0.5

    given = {"input_weights": drawn(n_sums, UNITS, INPUTS), "bias": drawn(n_sums, UNITS)}
    if recurrent:
        given["recurrent_weights"] = drawn(n_sums, UNITS, UNITS)
    if peepholes:
        given |= {"p_f": drawn(UNITS), "p_o": drawn(UNITS)}
    return layer(**given)


class Graph:
    """An ONNX graph of one step, put together operator by operator."""

    def __init__(self, layer: Any) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.layer = layer

    def constant(self, value: Any) -> str:
        """The name of a constant."""
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def op(self, kind: str, *inputs: str) -> str:
        """The name of what an operator gives."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name]))
        return name

    def sums(self) -> list[str]:
        """Bias + W x + R h for each sum, as one product each and a split."""
        layer = self.layer
        total = self.op("MatMul", "x", self.constant(layer.input_weights.reshape(-1, INPUTS).T))
        if hasattr(layer, "recurrent_weights"):
            past = self.op("MatMul", "h", self.constant(layer.recurrent_weights.reshape(-1, UNITS).T))
            total = self.op("Add", total, past)
        total = self.op("Add", total, self.constant(layer.bias.reshape(1, -1)))
        names = [f"s{index}" for index in range(len(layer.bias))]
        self.nodes.append(helper.make_node("Split", [total], names, axis=1, num_outputs=len(names)))
        return names

    def model(self, states: Mapping[str, str]) -> bytes:
        """The graph, whose outputs are the new states."""
        shape = {"x": INPUTS} | dict.fromkeys(states, UNITS)
        inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size]) for name, size in shape.items()]
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, UNITS]) for name in states.values()]
        graph = helper.make_graph(self.nodes, "step", inputs, outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        checker.check_model(model)
        data: bytes = model.SerializeToString()
        return data


def min_gru_graph(layer: Any) -> bytes:
    """minGRU."""
    graph = Graph(layer)
    z, n = graph.sums()
    z = graph.op("Sigmoid", z)
    kept = graph.op("Mul", graph.op("Sub", graph.constant(1), z), "h")
    return graph.model({"h": graph.op("Add", kept, graph.op("Mul", z, n))})


def li_gru_graph(layer: Any) -> bytes:
    """Li-GRU."""
    graph = Graph(layer)
    z, n = graph.sums()
    z = graph.op("Sigmoid", z)
    new = graph.op("Mul", graph.op("Sub", graph.constant(1), z), graph.op("Relu", n))
    return graph.model({"h": graph.op("Add", graph.op("Mul", z, "h"), new)})


def coupled_lstm_graph(layer: Any) -> bytes:
    """The coupled LSTM with peepholes."""
    graph = Graph(layer)
    f, g, o = graph.sums()
    f = graph.op("Sigmoid", graph.op("Add", f, graph.op("Mul", graph.constant(layer.p_f), "c")))
    new = graph.op("Mul", graph.op("Sub", graph.constant(1), f), graph.op("Tanh", g))
    c = graph.op("Add", graph.op("Mul", f, "c"), new)
    o = graph.op("Sigmoid", graph.op("Add", o, graph.op("Mul", graph.constant(layer.p_o), c)))
    return graph.model({"h": graph.op("Mul", o, graph.op("Tanh", c)), "c": c})


class InOnnxruntime:
    """The graph in onnxruntime: its states go from output to input without a copy, by bound buffers in turn."""

    def __init__(self, graph: bytes, states: list[str]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.x = np.zeros((1, INPUTS), np.float32)
        x = onnxruntime.OrtValue.ortvalue_from_numpy(self.x)
        self._x = x
        self._pages = [
            {name: onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((1, UNITS), np.float32)) for name in states}
            for _ in range(2)
        ]
        given = [output.name for output in self._session.get_outputs()]
        self._bindings = []
        for now, then in (self._pages, self._pages[::-1]):
            binding = self._session.io_binding()
            binding.bind_ortvalue_input("x", x)
            for name, output in zip(states, given, strict=True):
                binding.bind_ortvalue_input(name, now[name])
                binding.bind_ortvalue_output(output, then[name])
            self._bindings.append(binding)
        self._turn = 0

    def step(self, x: Array) -> Array:
        """The output of a step."""
        self._x.update_inplace(x[None])
        self._session.run_with_iobinding(self._bindings[self._turn])
        self._turn = 1 - self._turn
        found: Array = self._pages[self._turn]["h"].numpy()[0].copy()  # the next step but one writes there again
        return found


def least(steps: Mapping[str, Callable[[Array], Any]], x: Array) -> dict[str, float]:
    """Nanoseconds of a step of each: the least of many rounds in which they take turns."""
    found = dict.fromkeys(steps, float("inf"))
    for _ in range(N_ROUNDS):
        for name, step in steps.items():
            begin = perf_counter()
            for _ in range(N_TIMED):
                step(x)
            found[name] = min(found[name], (perf_counter() - begin) / N_TIMED * 1e9)
    return found


def main() -> None:
    """Compare, and print a table."""
    table = Table("cell", "error", "onnxruntime's error", "step", "onnxruntime's step", "ratio")
    signal = np.random.RandomState(1).uniform(-2, 2, (N_STEPS, INPUTS)).astype(np.float32)
    cases = (
        (weights(min_gru, recurrent=False), min_gru_graph, ["h"]),
        (weights(li_gru), li_gru_graph, ["h"]),
        (weights(coupled_lstm, peepholes=True), coupled_lstm_graph, ["h", "c"]),
    )
    for layer, graph, states in cases:
        reference, _ = streamrnn.run_equations(layer, signal)
        stream = streamrnn.Stream(streamrnn.Model([layer]))
        theirs = InOnnxruntime(graph(layer), states)
        error = np.abs(stream.process(signal) - reference).max()
        their_error = np.abs(np.array([theirs.step(x) for x in signal]) - reference).max()
        times = least({"ours": stream.step, "theirs": theirs.step}, signal[0])
        table.add_row(
            layer.kind,
            f"{error:.1e}",
            f"{their_error:.1e}",
            f"{times['ours']:.0f} ns",
            f"{times['theirs']:.0f} ns",
            f"{times['theirs'] / times['ours']:.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
