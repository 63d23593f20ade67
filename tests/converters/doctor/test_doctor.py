"""The doctor finds the convention of weights, or says that it cannot."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamrnn import GRU, LSTM, RNN, Activation, ConversionError
from streamrnn_converters.doctor import diagnose, read_arrays
from streamrnn_converters.proof.recording import Recording, compare
from tests import reference
from tests.models import dense, gru, lstm, one_width, rebuilt, rnn, signal  # noqa: F401  (one_width is a fixture)

Arrays = dict[str, np.ndarray]
HARD = {"keras 2": Activation("hard_sigmoid", 0.2, 0.5), "keras 3": Activation("hard_sigmoid", 1 / 6, 0.5)}


def from_zero(layer: Any) -> Any:
    """A layer whose initial states are zeros, as in a recording without states."""
    return rebuilt(layer, **{name: None for name in vars(layer) if name.startswith("initial")})


def recorded(*layers: Any, n_steps: int = 40, seed: int = 1, loudness: float = 2.0, **states: Any) -> Recording:
    """The answers of layers by the float64 reference, rounded to float32 as a framework would."""
    x = signal(n_steps, layers[0].input_size, seed=seed, loudness=loudness)
    y, _ = reference.run(SimpleNamespace(layers=layers), x)
    return Recording(x.astype(np.float64), y.astype(np.float32).astype(np.float64), "", states)


def stacked(layer: Any, name: str, order: str) -> np.ndarray:
    """An array of a layer, (G, H, …), its gates as a framework stacks them: (G H, …). Ours: i f g o and r z n."""
    ours = {"lstm": "ifgo", "gru": "rzn", "rnn": ""}[layer.kind]
    gates = np.asarray(getattr(layer, name))
    picked = gates[[ours.index(letter) for letter in order]] if order else gates
    return picked.reshape(-1, *gates.shape[2:])


def biases(layer: Any, order: str) -> tuple[np.ndarray, np.ndarray]:
    """Two biases that add up to the layer's; a GRU's second holds the bias inside the reset."""
    total = stacked(layer, "bias", order)
    second = np.random.default_rng(9).normal(size=total.shape).astype(np.float32) / 4
    if layer.kind == "gru" and layer.recurrent_bias is not None:
        hidden, candidate = layer.hidden_size, order.index("n")
        rows = slice(candidate * hidden, (candidate + 1) * hidden)
        second[rows] = layer.recurrent_bias
        first = total - second
        first[rows] = total[rows]
        return first, second
    return total - second, second


def as_torch(layer: Any) -> Arrays:
    order = {"lstm": "ifgo", "gru": "rzn", "rnn": ""}[layer.kind]
    first, second = biases(layer, order)
    w, r = stacked(layer, "input_weights", order), stacked(layer, "recurrent_weights", order)
    return {"weight_ih_l0": w, "weight_hh_l0": r, "bias_ih_l0": first, "bias_hh_l0": second}


def as_onnx(layer: Any) -> Arrays:
    """W (1, G H, I), R (1, G H, H), B (1, 2 G H)."""
    order = {"lstm": "iofg", "gru": "zrn", "rnn": ""}[layer.kind]
    w, r = stacked(layer, "input_weights", order), stacked(layer, "recurrent_weights", order)
    return {"B": np.concatenate(biases(layer, order))[None], "R": r[None], "W": w[None]}


def as_keras(layer: Any) -> Arrays:
    """kernel (I, G H), recurrent_kernel (H, G H), bias (G H,), or (2, G H) of a GRU in reset-after."""
    order = {"lstm": "ifgo", "gru": "zrn", "rnn": ""}[layer.kind]
    two = layer.kind == "gru" and layer.form == "reset-after"
    bias = np.stack(biases(layer, order)) if two else stacked(layer, "bias", order)
    w, r = stacked(layer, "input_weights", order), stacked(layer, "recurrent_weights", order)
    return {"kernel": w.T, "recurrent_kernel": r.T, "bias": bias}


def as_cudnn(layer: Any) -> Arrays:
    """One buffer: input weights, recurrent weights, two biases."""
    parts = as_torch(layer).values()
    return {"params": np.concatenate([part.ravel() for part in parts])}


FRAMEWORKS: dict[str, Callable[[Any], Arrays]] = {"torch": as_torch, "onnx": as_onnx, "keras": as_keras, "cudnn": as_cudnn}
ONLY_RESET_AFTER = ("torch", "cudnn")

LAYERS: dict[str, Callable[[int, int], Any]] = {
    "lstm": lambda inputs, hidden: lstm(np.random.default_rng(0), inputs, hidden),
    "lstm-hard-keras-2": lambda inputs, hidden: lstm(
        np.random.default_rng(0), inputs, hidden, 2.0, activations=(HARD["keras 2"], "tanh", "tanh")
    ),
    "lstm-hard-keras-3": lambda inputs, hidden: lstm(
        np.random.default_rng(0), inputs, hidden, 2.0, activations=(HARD["keras 3"], "tanh", "tanh")
    ),
    "gru-reset-after": lambda inputs, hidden: gru(np.random.default_rng(0), inputs, hidden),
    "gru-reset-before": lambda inputs, hidden: gru(np.random.default_rng(0), inputs, hidden, form="reset-before"),
    "gru-reset-before-hard": lambda inputs, hidden: gru(
        np.random.default_rng(0), inputs, hidden, 2.0, form="reset-before", activations=(HARD["keras 2"], "tanh")
    ),
    "rnn-tanh": lambda inputs, hidden: rnn(np.random.default_rng(0), inputs, hidden),
    "rnn-relu": lambda inputs, hidden: rnn(np.random.default_rng(0), inputs, hidden, activations=("relu",)),
}


def wide(arrays: Arrays) -> Arrays:
    return {name: array.astype(np.float64) for name, array in arrays.items()}


@pytest.mark.parametrize("inputs", [3, 5])  # as many as hidden units: which matrix is which, shapes do not tell
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_right_convention_is_found_without_being_told(framework: str, name: str, inputs: int) -> None:
    layer = from_zero(LAYERS[name](inputs, 5))
    if getattr(layer, "form", None) == "reset-before" and framework in ONLY_RESET_AFTER:
        layer = rebuilt(layer, form="reset-after")
    arrays = FRAMEWORKS[framework](layer)
    recording = recorded(layer)
    diagnosis = diagnose(wide({"abcd"[index]: array for index, array in enumerate(arrays.values())}), recording)
    convention = diagnosis.convention
    assert convention is not None, str(diagnosis)
    assert convention.reading.kind == layer.kind
    if layer.kind != "rnn":
        assert framework in convention.frameworks
        assert convention.family.sigmoid == layer.activations[0]
    assert diagnosis.findings[0].error < 1e-6
    (found,) = diagnosis.model().layers
    assert getattr(found, "form", None) == getattr(layer, "form", None)
    for tensor, value in layer.tensors().items():
        np.testing.assert_allclose(found.tensors()[tensor], value, atol=1e-6)


def peeping(layer: Any, order: str) -> np.ndarray:
    """Its peepholes, (3, H), in an order of gates. Ours: i f o."""
    return np.asarray(layer.peepholes)[["ifo".index(letter) for letter in order]]


#: An LSTM's further arrays, and the order of peepholes that is to be found.
FURTHER: dict[str, tuple[Callable[[Any], Arrays], str]] = {
    "onnx": (lambda layer: {"P": peeping(layer, "iof").reshape(1, -1)}, "iof"),
    "three-vectors": (lambda layer: dict(zip("uvw", peeping(layer, "foi"), strict=True)), "foi"),
    "projection": (lambda layer: {"P": np.asarray(layer.projection)}, ""),
    "projection-by-columns": (lambda layer: {"P": np.asarray(layer.projection).T}, ""),
    "both": (lambda layer: {"a": peeping(layer, "ifo"), "b": np.asarray(layer.projection)}, "ifo"),
}


@pytest.mark.parametrize("further", FURTHER)
@pytest.mark.parametrize("framework", ["torch", "onnx", "keras"])
def test_peepholes_and_projections_are_found(framework: str, further: str) -> None:
    more, order = FURTHER[further]
    options: dict[str, Any] = {"peepholes": True} if order else {}
    outputs = 3 if "projection" in further or further == "both" else None
    layer = from_zero(lstm(np.random.default_rng(4), 4, 6, 2.0, outputs=outputs, **options))
    arrays = FRAMEWORKS[framework](layer) | more(layer)
    diagnosis = diagnose(wide({f"n{index}": array for index, array in enumerate(arrays.values())}), recorded(layer))
    assert diagnosis.convention is not None, str(diagnosis)
    assert diagnosis.convention.family.peepholes == order
    assert framework in diagnosis.convention.frameworks
    (found,) = diagnosis.model().layers
    for tensor, value in layer.tensors().items():
        np.testing.assert_allclose(found.tensors()[tensor], value, atol=1e-6)


@pytest.mark.parametrize("name", ["lstm", "lstm-hard", "gru-reset-after", "gru-reset-before", "rnn-relu"])
def test_weights_that_keras_has_written_are_read_as_keras_does(name: str) -> None:
    with np.load(Path(__file__).parents[1] / "fixtures" / "keras_layers.npz") as file:
        arrays = {key.removeprefix(f"{name}/"): file[key] for key in file.files if key.startswith(f"{name}/")}
    x, y = (arrays.pop(key).astype(np.float64) for key in "xy")
    diagnosis = diagnose(wide(arrays), Recording(x, y, ""))
    assert diagnosis.convention is not None
    assert diagnosis.convention.frameworks == ([] if name == "rnn-relu" else ["keras"])
    assert diagnosis.convention.family.sigmoid == (HARD["keras 3"] if name == "lstm-hard" else Activation("sigmoid"))
    assert diagnosis.convention.family.form == (name.removeprefix("gru-") if "gru" in name else "")
    assert diagnosis.findings[0].error < 1e-6


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_weights_of_a_torch_module_are_read_as_torch_does(kind: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with torch, which is not installed")
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        module, x = getattr(torch.nn, kind)(3, 5), 2 * torch.randn(40, 3)
        y = module(x)[0]
    arrays = {str(index): parameter.detach().numpy() for index, parameter in enumerate(module.parameters())}
    diagnosis = diagnose(wide(arrays), Recording(x.double().numpy(), y.double().numpy(), ""))
    assert diagnosis.convention is not None
    assert diagnosis.convention.frameworks == ([] if kind == "RNN" else ["torch", "cudnn"])
    assert diagnosis.findings[0].error < 1e-6


def test_what_is_found_is_proven_by_the_engine() -> None:
    layers = from_zero(lstm(np.random.default_rng(0), 3, 6)), dense(np.random.default_rng(1), 6, 2, activation="sigmoid")
    recording = recorded(*layers, n_steps=300)
    head = {"kernel2": layers[1].weights.T, "bias2": layers[1].bias}
    diagnosis = diagnose(wide(as_keras(layers[0]) | head), recording)
    assert "dense head, sigmoid" in str(diagnosis)
    report = compare(diagnosis.model(), recording)
    assert report.proven
    assert report.comparisons[0].absolute < 1e-6


def test_any_order_of_gates_is_found_and_said_to_be_of_no_framework() -> None:
    layer = from_zero(lstm(np.random.default_rng(0), 2, 4))
    arrays = {name: stacked(layer, name, "gofi") for name in ("input_weights", "recurrent_weights", "bias")}
    diagnosis = diagnose(wide(arrays), recorded(layer))
    assert diagnosis.convention is not None
    assert (diagnosis.convention.order, diagnosis.convention.frameworks) == ("gofi", [])
    assert "g o f i (of no known framework)" in str(diagnosis)


def test_an_update_gate_of_exchanged_roles_is_found() -> None:
    """Chung et al. 2014: h' = (1 - z) h + z n, which our form has with all of z negated."""
    layer = from_zero(gru(np.random.default_rng(0), 3, 4))
    theirs = rebuilt(
        layer,
        **{
            name: np.array([1, -1, 1]).reshape(3, *[1] * (value.ndim - 1)) * value
            for name, value in layer.tensors().items()
            if value.ndim > 1
        },
    )
    diagnosis = diagnose(wide(as_torch(theirs)), recorded(layer))
    assert diagnosis.convention is not None
    assert diagnosis.convention.family.swapped
    assert "h' = z n + (1 - z) h" in str(diagnosis)
    (found,) = diagnosis.model().layers
    np.testing.assert_allclose(found.tensors()["input_weights"], layer.input_weights, atol=1e-7)


def test_a_gru_of_one_bias_may_have_it_within_the_reset() -> None:
    layer = from_zero(gru(np.random.default_rng(0), 3, 4))
    inside = rebuilt(layer, bias=np.concatenate([layer.bias[:2], np.zeros((1, 4))]))
    kept = np.concatenate([layer.bias[:2].ravel(), layer.recurrent_bias])
    arrays = as_torch(layer) | {"bias": kept}
    diagnosis = diagnose(wide({name: arrays[name] for name in ("weight_ih_l0", "weight_hh_l0", "bias")}), recorded(inside))
    assert diagnosis.convention is not None
    assert "bias of n inside the reset" in str(diagnosis)


def test_a_recording_may_begin_in_any_state() -> None:
    layer = lstm(np.random.default_rng(0), 3, 4)
    states = {(0, name): getattr(layer, name).astype(np.float64) for name in ("initial_hidden", "initial_cell")}
    assert diagnose(wide(as_torch(layer)), recorded(layer)).convention is None
    recording = Recording(**(vars(recorded(layer)) | {"initial": states}))
    diagnosis = diagnose(wide(as_torch(layer)), recording)
    assert diagnosis.convention is not None
    assert compare(diagnosis.model(), recording).proven


def test_zero_biases_leave_several_readings_of_one_function_which_are_said_to_be_one() -> None:
    layer = from_zero(rebuilt(gru(np.random.default_rng(0), 3, 4), bias=None, recurrent_bias=None))
    arrays = as_torch(layer) | dict.fromkeys(("bias_ih_l0", "bias_hh_l0"), np.zeros(12))
    diagnosis = diagnose(wide(arrays), recorded(layer))
    assert diagnosis.convention is not None
    assert len(diagnosis.reproducing[0]) == 3  # the second bias within the reset, the first, neither
    assert str(diagnosis).count("the same function for these weights") == 2


def test_conventions_that_the_reference_cannot_tell_apart_are_an_ambiguity() -> None:
    """A head whose answers are all positive, as long as the signal is quiet: linear, or relu."""
    layer = from_zero(rebuilt(rnn(np.random.default_rng(0), 2, 3), bias=None))
    head = rebuilt(dense(np.random.default_rng(1), 3, 2), bias=np.full(2, 0.3))
    arrays = {"w": layer.input_weights[0], "r": layer.recurrent_weights[0], "v": head.weights, "b": head.bias}
    diagnosis = diagnose(wide(arrays), recorded(layer, head, loudness=0.1))
    assert diagnose(wide(arrays), recorded(layer, head, loudness=3)).convention is not None
    assert diagnosis.convention is None
    assert len(diagnosis.reproducing) == 2
    assert "NOT decided" in str(diagnosis)
    assert "dense head, linear" in str(diagnosis)
    assert "dense head, relu" in str(diagnosis)
    with pytest.raises(ConversionError, match="NOT decided"):
        diagnosis.model()


def test_a_silent_reference_decides_nothing() -> None:
    layer = from_zero(rebuilt(lstm(np.random.default_rng(0), 2, 3), bias=None))
    diagnosis = diagnose(
        wide(as_torch(layer) | dict.fromkeys(("bias_ih_l0", "bias_hh_l0"), np.zeros(12))), recorded(layer, loudness=0)
    )
    assert diagnosis.convention is None
    assert "NOT decided" in str(diagnosis)


@pytest.mark.parametrize("seed", range(3))
def test_a_reference_of_other_weights_is_reproduced_by_no_convention(seed: int) -> None:
    layer = from_zero(gru(np.random.default_rng(seed), 3, 4))
    diagnosis = diagnose(wide(as_torch(layer)), recorded(from_zero(gru(np.random.default_rng(seed + 10), 3, 4))))
    assert diagnosis.convention is None
    assert "NOT found" in str(diagnosis)
    assert diagnosis.findings[0].error > 1e-2


@pytest.mark.parametrize("extension", [".npz", ".safetensors", ".pt"])
def test_arrays_of_any_names_are_read(extension: str, tmp_path: Path) -> None:
    path, array = tmp_path / f"w{extension}", np.arange(6, dtype=np.float32).reshape(2, 3)
    if extension == ".npz":
        np.savez(path, kernel=array)
    elif extension == ".safetensors":
        from safetensors.numpy import save_file

        save_file({"kernel": array}, path)
    else:
        torch = pytest.importorskip("torch", reason="torch.save wrote the file")
        torch.save({"kernel": torch.from_numpy(array)}, path)
    (found,) = read_arrays(path.read_bytes(), extension).items()
    assert found[0] == "kernel"
    np.testing.assert_array_equal(found[1], array)


def onnx_file(layer: Any, *, layout: str = "time", initial: bool = False, n_steps: int | None = None) -> bytes:
    """A graph of one node; layout "batch": between transposes, as exporters write batch-first models."""
    onnx = pytest.importorskip("onnx", reason="makes a graph: pip install 'streamrnn[convert]'")
    arrays = as_onnx(layer)
    names = {"lstm": ["W", "R", "B"], "gru": ["W", "R", "B"]}[layer.kind]
    inputs = ["x" if layout == "time" else "xt", *names]
    if initial:
        arrays["h0"] = layer.initial_hidden[None, None]
        inputs += ["", "h0"]
    options = {"hidden_size": layer.hidden_size} | ({"linear_before_reset": 1} if layer.kind == "gru" else {})
    make = onnx.helper.make_node
    nodes = [make(layer.kind.upper(), inputs, ["y4"], "cell", **options), make("Squeeze", ["y4", "axis"], ["y"], "squeeze")]
    arrays["axis"] = np.array([1])
    output, time = "y", ["t" if n_steps is None else n_steps, 1]
    if layout == "batch":
        nodes = [make("Transpose", ["in"], ["xt"], perm=[1, 0, 2]), *nodes, make("Transpose", ["y"], ["out"], perm=[1, 0, 2])]
        output, time = "out", ["b", "t"]
    given = onnx.helper.make_tensor_value_info(
        "x" if layout == "time" else "in", onnx.TensorProto.FLOAT, [*time, layer.input_size]
    )
    result = onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, [*time, layer.hidden_size])
    tensors = [onnx.numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in arrays.items()]
    graph = onnx.helper.make_graph(nodes, "graph", [given], [result], tensors)
    return bytes(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8).SerializeToString()
    )


def test_kinds_are_what_they_are() -> None:
    """The builders above make the layers that their names say."""
    assert [type(make(3, 4)) for make in LAYERS.values()] == [LSTM] * 3 + [GRU] * 3 + [RNN] * 2
