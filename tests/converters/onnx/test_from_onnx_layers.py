"""Layers beside the cells that an ONNX graph may have: embeddings, norms, convolutions that look back; and fixed inputs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamrnn import Conv1d, ConversionError, Dense, Embedding, InputError, Stream
from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from onnx import TensorProto

from streamrnn_converters import from_onnx, verify
from streamrnn_converters.onnx import read_onnx
from tests.converters.onnx.sketch import HIDDEN, INPUTS, Sketch, refusal
from tests.converters.onnx.test_from_onnx_branches import assert_agrees, behind

# Embeddings.


def indexed(g: Sketch, sizes: list[Any], dtype: int = TensorProto.INT64) -> None:
    g.inputs = [g.info("x", sizes, dtype)]


@pytest.mark.parametrize("dtype", [TensorProto.INT64, TensorProto.INT32])
def test_an_embedding_is_picked_by_the_index_of_a_step(dtype: int) -> None:
    g = Sketch()
    indexed(g, ["T", "B"], dtype)
    y = behind(g, g.add("Gather", g.draw(7, INPUTS), g.add("Identity", "x")))
    data = g.bytes(y)
    imported = read_onnx(data)
    assert (imported.input.integers, imported.input.n_entries) == ("int64" if dtype == TensorProto.INT64 else "int32", 7)
    assert verify(imported.model, data).proven
    if dtype == TensorProto.INT64:
        assert_agrees(g, [y], {"x": "TB"}, ["TBH"], integers={"x": 7})
    with pytest.raises(InputError):
        Stream(imported.model).step(np.array([7], np.float32))


def test_several_indices_of_a_step_pick_several_rows() -> None:
    g = Sketch()
    indexed(g, ["T", "B", 2])
    y = g.add("Reshape", g.add("Gather", g.draw(5, INPUTS), g.add("Cast", "x", to=TensorProto.INT64)), [0, 0, -1])
    imported = assert_agrees(g, [behind(g, y, 2 * INPUTS)], {"x": "TB2"}, ["TBH"], integers={"x": 5})
    assert sum(isinstance(layer, Embedding) for layer in imported.model.layers) == 2


def test_an_index_may_come_beside_a_signal() -> None:
    g = Sketch()
    g.inputs.append(g.info("word", ["T", "B"], TensorProto.INT64))
    y = g.add("Concat", "x", g.add("Gather", g.draw(9, 2), "word"), axis=2)
    assert_agrees(g, [behind(g, y, INPUTS + 2)], {"x": "TBF", "word": "TB"}, ["TBH"], integers={"word": 9})


# Norms.


def test_a_layer_normalisation_goes_over_the_values_of_a_step() -> None:
    g = Sketch()
    y = g.add("LayerNormalization", behind(g), g.draw(HIDDEN), g.draw(HIDDEN), axis=-1, epsilon=1e-3)
    imported = assert_agrees(g, [g.add("LayerNormalization", y, g.draw(HIDDEN))], {"x": "TBF"}, ["TBH"])
    assert [layer.kind for layer in imported.model.layers] == ["gru", "layernorm", "layernorm"]


def test_a_layer_normalisation_tells_that_its_axis_is_within_a_step() -> None:
    g = Sketch(open_axes="TB")
    y = g.add("LayerNormalization", "x", g.draw(INPUTS), g.draw(INPUTS), axis=2)
    assert_agrees(g, [g.add("MatMul", y, g.draw(INPUTS, 2))], {"x": "TBF"}, ["TB2"])


@pytest.mark.parametrize("axes", ["BF", "BFT"])
def test_a_batch_normalisation_scales_and_shifts_each_value(axes: str) -> None:
    g = Sketch(axes, open_axes="BT")
    positive = [np.abs(g.draw(INPUTS)) + np.float32(0.1) for _ in range(2)]
    y = g.add("BatchNormalization", "x", positive[0], g.draw(INPUTS), g.draw(INPUTS), positive[1], epsilon=1e-3)
    if axes == "BFT":
        y = behind(g, g.add("Transpose", y, perm=[2, 0, 1]))
    imported = assert_agrees(g, [y], {"x": axes}, ["TBH" if "T" in axes else axes])
    assert imported.model.layers[0].kind == "affine"


def test_a_norm_that_keras_writes_as_one_of_batches_goes_over_the_values_of_a_step() -> None:
    """Time and batch merged are the channels of a BatchNormalization whose mean and variance are computed."""
    g = Sketch("BTF", open_axes="BT")
    y = g.add("Transpose", behind(g, g.add("Transpose", "x", perm=[1, 0, 2])), perm=[1, 0, 2])
    rows = g.add("Reshape", y, [1, -1, HIDDEN, 1])
    mean = g.add("ReduceMean", rows, [0, 2, 3])
    variance = g.add("Div", g.add("ReduceSumSquare", g.add("Sub", rows, mean), [0, 2, 3], keepdims=0), np.float32(HIDDEN))
    count = g.add("ReduceProd", g.add("Slice", g.add("Shape", y), [0], [2], [0]))
    ones, zeros = (g.add("Expand", np.float32(value), count) for value in (1, 0))
    mean = g.add("Squeeze", mean, [0, 2, 3])
    normed = g.add("BatchNormalization", rows, ones, zeros, mean, variance, epsilon=1e-3)
    imported = assert_agrees(
        g, [g.add("Mul", g.add("Reshape", normed, g.add("Shape", y)), g.draw(HIDDEN))], {"x": "BTF"}, ["BTH"]
    )
    assert "arithmetic" in [layer.kind for layer in imported.model.layers]


# Convolutions.


def convolved(g: Sketch, x: str = "x", taps: int = 3, outputs: int = 4, group: int = 1, **attributes: Any) -> str:
    weights = g.draw(outputs, INPUTS // group, taps)
    return str(g.add("Conv", x, weights, g.draw(outputs), kernel_shape=[taps], group=group, **attributes))


CONVOLUTIONS: dict[str, tuple[Callable[[Sketch], str], str]] = {
    "with-its-own-padding": (lambda g: convolved(g, pads=[2, 0]), "conv1d"),
    "dilated": (lambda g: convolved(g, pads=[6, 0], dilations=[3]), "conv1d"),
    "padded-before": (lambda g: convolved(g, g.add("Pad", "x", [0, 0, 2, 0, 0, 0])), "conv1d"),
    "padded-along-a-named-axis": (lambda g: convolved(g, g.add("Pad", "x", [2, 0], np.float32(0), [-1])), "conv1d"),
    "padded-in-both-ways": (lambda g: convolved(g, g.add("Pad", "x", [0, 0, 1, 0, 0, 0]), pads=[1, 0]), "conv1d"),
    "cut-off-at-its-end": (lambda g: g.add("Slice", convolved(g, pads=[2, 2]), [0], [-2], [2]), "conv1d"),
    "padded-before-a-function": (
        lambda g: convolved(g, g.add("Relu", g.add("Pad", "x", [0, 0, 2, 0, 0, 0]))),
        "pointwise conv1d",
    ),
    "late": (lambda g: g.add("Slice", convolved(g, pads=[3, 0]), [0], [-1], [2]), "delay conv1d"),
    "cut-off-at-the-size-of-the-input": (
        lambda g: g.add("Slice", convolved(g, pads=[2, 2]), [0], g.add("Shape", "x", start=2, end=3), [2]),
        "conv1d",
    ),
    "cut-off-by-its-own-size": (
        lambda g: g.add(
            "Slice", y := convolved(g, pads=[2, 2]), [0], g.add("Sub", g.add("Shape", y, start=2, end=3), [2]), [2]
        ),
        "conv1d",
    ),
    "of-two-dimensions": (
        lambda g: g.squeezed(
            g.add("Conv", g.add("Unsqueeze", "x", [1]), g.draw(4, 1, INPUTS, 3), pads=[0, 2, 0, 0], dilations=[1, 1]), 2
        ),
        "frame select dense",
    ),
    "cut-off-behind-a-function": (
        lambda g: g.add("Slice", g.add("Tanh", convolved(g, pads=[2, 2])), [0], [-2], [-1]),
        "conv1d pointwise",
    ),
    "without-a-bias": (lambda g: g.add("Conv", "x", g.draw(4, INPUTS, 2), pads=[1, 0]), "conv1d"),
    "in-groups": (lambda g: convolved(g, outputs=6, group=3, pads=[2, 0]), "conv1d"),
    "of-one-tap": (lambda g: convolved(g, taps=1), "dense"),
    "of-one-tap-and-a-function": (lambda g: g.add("Relu", convolved(g, taps=1)), "dense"),
    "scaled": (lambda g: g.add("Mul", convolved(g, pads=[2, 0]), g.draw(4, 1)), "conv1d"),
    "same-of-two-taps": (lambda g: convolved(g, taps=2, auto_pad="SAME_LOWER"), "conv1d"),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_that_looks_back_is_streamed(name: str) -> None:
    draw, kinds = CONVOLUTIONS[name]
    g = Sketch("BFT", open_axes="BT")
    y = g.add("Transpose", draw(g), perm=[2, 0, 1])
    imported = assert_agrees(g, [behind(g, y, 6 if name == "in-groups" else 4)], {"x": "BFT"}, ["TBH"])
    assert " ".join(layer.kind for layer in imported.model.layers) == f"{kinds} gru"


def test_convolutions_stand_behind_one_another() -> None:
    g = Sketch("BFT", open_axes="BT")
    y = g.add("Relu", convolved(g, outputs=INPUTS, pads=[2, 0]))
    y = g.add("Add", "x", convolved(g, y, outputs=INPUTS, pads=[4, 0], dilations=[2]))
    imported = assert_agrees(g, [y], {"x": "BFT"}, ["BFT"])
    assert [layer.kind for layer in imported.model.layers] == ["conv1d", "pointwise", "conv1d", "arithmetic"]
    assert isinstance(imported.model.layers[2], Conv1d)
    assert imported.model.layers[2].dilation == 2


CANNOT: dict[str, tuple[Callable[[Sketch], str], str, str]] = {
    "with-too-many-zeros": (lambda g: convolved(g, pads=[3, 0]), "GRU", "its input has 1 step more than the model's"),
    "with-other-channels": (lambda g: g.add("Conv", "x", g.draw(4, 5, 2), pads=[1, 0]), "Conv", "takes 5 channels, but"),
    "padded-with-ones": (lambda g: convolved(g, g.add("Pad", "x", [2, 0], np.float32(1), [2])), "Pad", "only zeros"),
    "padded-by-reflection": (
        lambda g: convolved(g, g.add("Pad", "x", [0, 0, 2, 0, 0, 0], mode="reflect")),
        "Pad",
        "only zeros",
    ),
    "of-which-too-much-is-cut-off": (
        lambda g: g.add("Slice", convolved(g, pads=[2, 2]), [0], [-3], [2]),
        "GRU",
        "its input has 1 step fewer than the model's",
    ),
}


@pytest.mark.parametrize("name", CANNOT)
def test_a_convolution_that_cannot_be_streamed_is_refused_by_name_and_reason(name: str) -> None:
    draw, op, why = CANNOT[name]
    g = Sketch("BFT", open_axes="BT")
    y = g.add("Transpose", draw(g), perm=[2, 0, 1])
    message = refusal(g.bytes(behind(g, y, 4)))
    assert message.startswith(f"node 'my_{op}' ({op}): ")
    assert why in message


def test_an_output_with_more_steps_than_the_input_is_refused() -> None:
    g = Sketch("BFT", open_axes="BT")
    y = convolved(g, pads=[2, 2])
    assert refusal(g.bytes(y)).startswith(f"graph output {y!r}: has 2 steps more than the input; ")


def test_a_recurrent_layer_takes_no_more_steps_than_there_are() -> None:
    g = Sketch("BFT", open_axes="BT")
    y = g.add("Transpose", convolved(g, pads=[2, 2]), perm=[2, 0, 1])
    assert "its input has 2 steps more than the model's" in refusal(g.bytes(g.rnn(y, inputs=4)[0]))


# Inputs that are constants.


def rated(shape: list[Any], dtype: int = TensorProto.INT64) -> tuple[Sketch, bytes]:
    """A graph with an input "sr" that only scales."""
    g = Sketch()
    g.inputs.append(g.info("sr", shape, dtype))
    scale = g.add("Div", g.add("Cast", "sr", to=TensorProto.FLOAT), np.float32(16000))
    return g, g.bytes(g.add("Mul", behind(g), scale))


@pytest.mark.parametrize("shape", [[], [1], [1, 1]])
def test_an_input_that_is_a_constant_is_fixed(shape: list[int]) -> None:
    _, data = rated(shape)
    model = from_onnx(data, constants={"sr": 8000})
    report = verify(model, data)
    assert report.proven, str(report)
    assert model.notes["source"]["constants"] == {"sr": 8000}
    assert model.fingerprint != from_onnx(data, constants={"sr": 4000}).fingerprint
    assert not verify(model, data, constants={"sr": 4000}).proven


def test_an_input_that_is_no_signal_is_refused_unless_it_is_fixed() -> None:
    _, data = rated([])
    assert refusal(data)


@pytest.mark.parametrize(
    ("constants", "why"),
    [
        (
            {"rate": 16000},
            "constant 'rate': the graph has no such input, nor an open size of that name; it has the inputs 'x', 'sr'",
        ),
        ({"sr": "fast"}, "constant 'sr': 'fast' does not fit"),
        ({"sr": 0.5}, "constant 'sr': 0.5 does not fit the graph input (it is not of type int64)"),
        ({"sr": [1, 2]}, "constant 'sr': [1, 2] does not fit"),
        ({"sr": None}, "constant 'sr': None does not fit"),
    ],
)
def test_a_constant_that_does_not_fit_is_refused_by_name(constants: dict[str, Any], why: str) -> None:
    _, data = rated([1])
    with pytest.raises(ConversionError) as refused:
        from_onnx(data, constants=constants)
    assert str(refused.value).startswith(why)


def test_a_dense_layer_takes_in_the_norm_behind_it() -> None:
    g = Sketch("BF")
    y = g.add("Gemm", "x", g.draw(INPUTS, 4), g.draw(4))
    arrays = g.draw(4), g.draw(4), g.draw(4), np.abs(g.draw(4)) + np.float32(0.1)
    imported = assert_agrees(g, [g.add("Relu", g.add("BatchNormalization", y, *arrays))], {"x": "BF"}, ["B4"])
    (layer,) = imported.model.layers
    assert isinstance(layer, Dense)
    assert layer.activation.name == "relu"
