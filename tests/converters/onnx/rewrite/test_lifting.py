"""Cells that were taken apart and loops that were unrolled: recognised by what they compute, and only then."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import GRU, LSTM, RNN, ConversionError, Dense
from tests.models import one_width  # noqa: F401  (a fixture)

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'streamrnn[convert]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'streamrnn[convert]'")

from streamrnn_converters.onnx import read_onnx  # noqa: E402
from streamrnn_converters.proof.verification import Case, verify  # noqa: E402
from tests.converters.onnx.cell_graphs import Builder, H, I, T, keras_graph  # noqa: E402
from tests.models import name_of  # noqa: E402

BRIEF = (Case("normal", 1.0, 20),)


class Cell:
    """A cell whose weights are constants of a graph, and its steps in the ways in which exporters write them."""

    def __init__(self, b: Builder, kind: str, inputs: int = I) -> None:
        self.b, self.kind = b, kind
        n_gates = {"lstm": 4, "rnn": 1}.get(kind, 3)
        self.w, self.r = b.weights(n_gates * H, inputs), b.weights(n_gates * H, H)
        self.bw, self.br = b.weights(n_gates * H), b.weights(n_gates * H)
        self.one = b.constant(np.float32(1))

    def step(self, x: str, h: str, c: str = "", sigmoid: str = "Sigmoid") -> tuple[str, str]:
        b = self.b
        from_x, from_h = b.Gemm(x, self.w, self.bw, transB=1), b.Gemm(h, self.r, self.br, transB=1)
        gate = getattr(b, sigmoid)
        if self.kind == "rnn":
            return b.Tanh(b.Add(from_x, from_h)), ""
        if self.kind == "lstm":
            i, f, g, o = b.Split(b.Add(from_h, from_x), outputs=4, axis=1)
            c = b.Add(b.Mul(gate(f), c), b.Mul(gate(i), b.Tanh(g)))
            return b.Mul(gate(o), b.Tanh(c)), c
        (xr, xz, xn), (hr, hz, hn) = b.Split(from_x, outputs=3, axis=1), b.Split(from_h, outputs=3, axis=1)
        r, z = gate(b.Add(xr, hr)), gate(b.Add(hz, xz))
        if self.kind == "gru-reset-before":
            w, u = self.n_weights()
            n = b.Tanh(b.Add(b.Gemm(x, w, transB=1), b.MatMul(b.Mul(r, h), u)))
        else:
            n = b.Tanh(b.Add(xn, b.Mul(r, hn)))
        if self.kind == "gru-other-mix":
            return b.Add(b.Mul(b.Sub(self.one, z), n), b.Mul(z, h)), ""
        return b.Add(b.Mul(z, b.Sub(h, n)), n), ""

    def n_weights(self) -> tuple[str, str]:
        tensors = self.b.tensors
        w, r = tensors[self.w][2 * H :], tensors[self.r][2 * H :]
        return self.b.constant(w), self.b.constant(np.ascontiguousarray(r.T))


KINDS = {"lstm": LSTM, "gru": GRU, "gru-other-mix": GRU, "gru-reset-before": GRU, "rnn": RNN}
every_kind = pytest.mark.parametrize("kind", KINDS)


def step_graph(kind: str, **options: Any) -> bytes:
    b = Builder()
    h, c = Cell(b, kind).step("x", "h", "c", **options)
    y = b.Gemm(h, b.weights(2, H), b.weights(2), transB=1)
    states = {"h": [2, H]} | ({"c": [2, H]} if kind == "lstm" else {})
    return b.model({"x": [2, I]} | states, {"y": y, "h_next": h} | ({"c_next": c} if kind == "lstm" else {}))


def loop_graph(
    kind: str, axis: int = 0, order: tuple[int, ...] = tuple(range(T)), change: Any = None, layers: int = 1
) -> bytes:
    """Unrolled over T steps, h and c zeros at first, its answers stacked."""
    b = Builder()
    stack = [Cell(b, kind, I if layer == 0 else H) for layer in range(layers)]
    zeros = [(b.constant(np.zeros((2, H), np.float32)), b.constant(np.zeros((2, H), np.float32))) for _ in stack]
    rows = []
    for step, place in enumerate(order):
        x = b.Gather("x", b.constant(np.int64(place)), axis=axis)
        for layer, cell in enumerate(stack):
            if change is not None and step == 2:
                change(b, cell)
            zeros[layer] = cell.step(x, *zeros[layer])
            x = zeros[layer][0]
        rows.append(b.Unsqueeze(x, b.constant(np.array([axis]))))
    shape = [T, 2, I] if axis == 0 else [2, T, I]
    return b.model({"x": shape}, {"y": b.Concat(*rows, axis=axis)})


KERAS = {"lstm": LSTM, "gru": GRU, "gru-reset-before": GRU, "rnn": RNN}


@pytest.mark.parametrize(
    "how",
    [{}, {"cut": "Slice"}, {"zeros": "ConstantOfShape"}, {"zeros": "Expand", "layers": 2}, {"cut": "Slice", "last": True}],
    ids=str,
)
@pytest.mark.parametrize("kind", KERAS)
def test_unrolled_layers_of_keras_become_layers(kind: str, how: dict[str, Any]) -> None:
    data = keras_graph(kind, **how)
    imported = read_onnx(data)
    assert [type(layer) for layer in imported.model.layers] == [KERAS[kind]] * how.get("layers", 1)
    assert verify(imported.model, data, cases=BRIEF).proven


@pytest.mark.parametrize("cut", ["Split", "Slice"])
@pytest.mark.parametrize("kind", KERAS)
def test_a_loop_over_a_part_of_the_signal_is_refused(kind: str, cut: str) -> None:
    with pytest.raises(ConversionError, match="its input has 1 step fewer than the model's"):
        read_onnx(keras_graph(kind, cut=cut, last=True, n_steps=T - 1))


@every_kind
def test_a_step_becomes_one_layer_that_keeps_its_state(kind: str) -> None:
    data = step_graph(kind)
    imported = read_onnx(data)
    assert [type(layer) for layer in imported.model.layers] == [KINDS[kind], Dense]
    assert any("were recognised as one" in remark for remark in imported.remarks)
    assert verify(imported.model, data).proven


@every_kind
@pytest.mark.parametrize("axis", [0, 1])
def test_an_unrolled_loop_becomes_one_layer(kind: str, axis: int) -> None:
    data = loop_graph(kind, axis)
    imported = read_onnx(data)
    assert [type(layer) for layer in imported.model.layers] == [KINDS[kind]]
    assert any(f"{T} steps of a loop" in remark for remark in imported.remarks)
    assert verify(imported.model, data).proven


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_loops_of_stacked_cells_become_stacked_layers(kind: str) -> None:
    data = loop_graph(kind, layers=2)
    imported = read_onnx(data)
    assert [type(layer) for layer in imported.model.layers] == [KINDS[kind]] * 2
    assert verify(imported.model, data).proven


def test_weights_that_are_copied_for_each_step_are_those_of_one_loop() -> None:
    """torch names the weights of a Linear without bias, which is called in a loop, once, and copies them by Identity."""
    b = Builder()
    w, r, h = b.weights(H, I), b.weights(H, H), b.constant(np.zeros((2, H), np.float32))
    rows = []
    for step in range(T):
        x = b.Gemm(b.Gather("x", b.constant(np.int64(step)), axis=1), w, transB=1)
        h = b.Tanh(b.Add(x, b.MatMul(h, b.Identity(r))))
        rows.append(b.Unsqueeze(h, b.constant(np.array([1]))))
    data = b.model({"x": [2, T, I]}, {"y": b.Concat(*rows, axis=1)})
    model = read_onnx(data).model
    assert [type(layer) for layer in model.layers] == [RNN]
    assert verify(model, data, cases=BRIEF).proven


def damped_loop_graph() -> bytes:
    """Unrolled over T steps of one signal; its state is what an RNN gives times a number that is another at each step."""
    b = Builder()
    cell, h = Cell(b, "rnn"), b.constant(np.zeros((1, H), np.float32))
    rows = []
    for step in range(T):
        factor = b.constant(np.float32(0.9 - 0.1 * step))
        h = b.Mul(cell.step(b.Gather("x", b.constant(np.int64(step)), axis=1), h)[0], factor)
        rows.append(b.Unsqueeze(h, b.constant(np.array([1]))))
    return b.model({"x": [1, T, I]}, {"y": b.Concat(*rows, axis=1)})


def test_a_loop_of_another_cell_says_that_its_axis_was_taken_as_part_of_a_step() -> None:
    data = damped_loop_graph()
    imported = read_onnx(data)
    assert imported.model.input_size == T * I
    (remark,) = imported.remarks
    assert f"axis 1 ({T}) of graph input 'x' was taken as part of a step: a step takes {T} × {I} = {T * I} values" in remark
    assert "export one step of it instead, with its states as inputs and outputs" in remark
    assert verify(imported.model, data, cases=BRIEF).proven


def test_a_loop_of_another_cell_whose_time_axis_is_given_is_refused_with_what_to_export() -> None:
    with pytest.raises(ConversionError, match=r"picks index 0 of the time axis.* export one step, with its states as inputs"):
        read_onnx(damped_loop_graph(), time_axis={"x": 1})


def test_a_loop_of_another_cell_has_no_state_that_could_be_carried() -> None:
    with pytest.raises(ConversionError, match="states='carry': the graph is an unrolled loop whose cell is no LSTM"):
        read_onnx(damped_loop_graph(), states="carry")


def test_one_step_of_another_cell_streams_as_its_refused_loop_says() -> None:
    b = Builder()
    h = b.Mul(Cell(b, "rnn").step("x", "h")[0], b.constant(np.float32(0.9)))
    data = b.model({"x": [1, I], "h": [1, H]}, {"h_next": h})
    imported = read_onnx(data)
    assert (imported.model.input_size, [each.name for each in imported.states]) == (I, ["h"])
    assert verify(imported.model, data, cases=BRIEF).proven


def test_the_forms_of_a_gru_are_told_apart() -> None:
    forms = {kind: read_onnx(step_graph(kind)).model.layers[0].form for kind in KINDS if kind.startswith("gru")}  # type: ignore[attr-defined]
    assert forms == {"gru": "reset-after", "gru-other-mix": "reset-after", "gru-reset-before": "reset-before"}


def other_weights(b: Builder, cell: Cell) -> None:
    changed = b.tensors[cell.r].copy()
    changed[0, 0] += 0.01
    cell.r = b.constant(changed)


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(
    "options",
    [{"order": (0, 2, 1, 3)}, {"order": (0, 1, 2, 2)}, {"order": (1, 2, 3, 0)}, {"change": other_weights}],
    ids=name_of,
)
def test_a_loop_that_does_something_else_is_refused(kind: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConversionError):
        read_onnx(loop_graph(kind, **options))


def test_a_loop_that_mixes_another_first_state_than_it_multiplies_is_taken_as_it_is() -> None:
    """torch's newer exporter has multiplied the zeros beforehand."""
    model = onnx.load(Path(__file__).parents[2] / "fixtures" / "exports" / "gru-cells-unrolled.dynamo.onnx")
    (zeros,) = (tensor for tensor in model.graph.initializer if tensor.name == "zeros")
    zeros.CopyFrom(onnx.numpy_helper.from_array(np.full(list(zeros.dims), 0.3, np.float32), "zeros"))
    data = model.SerializeToString()
    assert verify(read_onnx(data).model, data, cases=BRIEF).proven


def test_a_cell_of_other_functions_is_not_taken_for_one_but_runs_as_it_stands() -> None:
    data = step_graph("lstm", sigmoid="HardSigmoid")
    imported = read_onnx(data)
    assert not any(isinstance(layer, LSTM) for layer in imported.model.layers)
    assert verify(imported.model, data).proven


@pytest.mark.few(6)  # one seed for each cell and exporter
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dynamo", [False, True], ids=["script", "dynamo"])
@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
def test_what_torch_writes_of_its_cells_is_recognised(kind: str, dynamo: bool, seed: int) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'streamrnn[torch]'")
    if dynamo:
        pytest.importorskip("onnxscript", reason="torch's newer exporter needs onnxscript, which is not installed")

    class Loop(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.cell = getattr(torch.nn, kind)(I, H)

        def forward(self, x: Any) -> Any:
            h = c = torch.zeros(x.shape[1], H)
            rows = []
            for step in range(x.shape[0]):
                if kind == "LSTMCell":
                    h, c = self.cell(x[step], (h, c))
                else:
                    h = self.cell(x[step], h)
                rows.append(h)
            return torch.stack(rows)

    torch.manual_seed(seed)
    target, more = io.BytesIO(), {"external_data": False} if dynamo else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Loop().eval(), (torch.zeros(T, 2, I),), target, dynamo=dynamo, opset_version=18, verbose=False, **more
        )
    imported = read_onnx(target.getvalue())
    assert [layer.kind for layer in imported.model.layers] == [kind.removesuffix("Cell").lower()]
    assert verify(imported.model, target.getvalue()).proven
