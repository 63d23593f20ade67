"""Operators that work within a step, on a frame or an image of it: what onnxruntime gives, and refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnxruntime

from streamrnn import Layer, Rows, Stream
from streamrnn_converters.onnx import read_onnx
from tests.converters.onnx.sketch import HIDDEN, Sketch, refusal

#: What a frame of so many values is made of, a graph over it, and how many values that gives.
Case = tuple[tuple[int, ...], Callable[[Sketch, str], str], int]


def conv(*shape: int, groups: int = 1, **attributes: Any) -> Callable[[Sketch, str], str]:
    return lambda g, x: g.add("Conv", x, g.draw(*shape), g.draw(shape[0]), group=groups, **attributes)


def transposed(*shape: int, groups: int = 1, **attributes: Any) -> Callable[[Sketch, str], str]:
    return lambda g, x: g.add("ConvTranspose", x, g.draw(*shape), g.draw(shape[1] * groups), group=groups, **attributes)


def one(op: str, **attributes: Any) -> Callable[[Sketch, str], str]:
    return lambda g, x: g.add(op, x, **attributes)


def einsum(equation: str, *shapes: tuple[int, ...]) -> Callable[[Sketch, str], str]:
    return lambda g, x: g.add("Einsum", x, *(g.draw(*shape) for shape in shapes), equation=equation)


def einsum_with_itself(equation: str, n: int) -> Callable[[Sketch, str], str]:
    return lambda g, x: g.add("Einsum", *(g.add(op, x) for op in ("Identity", "Sin", "Tanh")[:n]), equation=equation)


def resized(*factors: float, **attributes: Any) -> Callable[[Sketch, str], str]:
    return lambda g, x: g.add("Resize", x, "", np.array([1, 1, *factors], np.float32), **attributes)


def pad(mode: str, *widths: int) -> Callable[[Sketch, str], str]:
    return lambda g, x: g.add("Pad", x, widths, *([np.float32(1.5)] if mode == "constant" else []), mode=mode)


CASES: dict[str, Case] = {
    "conv": ((2, 12), conv(5, 2, 3, strides=[2], pads=[1, 1]), 5 * 6),
    "conv-of-one-tap": ((2, 12), conv(5, 2, 1), 5 * 12),
    "conv-same-upper": ((2, 9), conv(3, 2, 4, strides=[2], auto_pad="SAME_UPPER"), 3 * 5),
    "conv-same-lower": ((2, 9), conv(3, 2, 4, strides=[2], auto_pad="SAME_LOWER"), 3 * 5),
    "conv-valid": ((2, 9), conv(3, 2, 4, auto_pad="VALID"), 3 * 6),
    "conv-2d": ((3, 4, 5), conv(7, 3, 3, 2, pads=[1, 0, 1, 1], dilations=[1, 2], strides=[2, 1]), 7 * 2 * 4),
    "conv-3d": ((2, 3, 4, 3), conv(4, 2, 2, 2, 3), 4 * 2 * 3),
    "conv-in-narrow-groups": ((4, 4, 5), conv(6, 2, 3, 3, groups=2, pads=[1, 1, 1, 1]), 6 * 4 * 5),
    "conv-in-wide-groups": ((4, 4, 5), conv(20, 2, 3, 3, groups=2, pads=[1, 1, 1, 1]), 20 * 4 * 5),
    "conv-depthwise": ((4, 4, 5), conv(8, 1, 3, 3, groups=4, pads=[1, 1, 1, 1]), 8 * 4 * 5),
    "transposed": ((2, 9), transposed(2, 3, 5, strides=[2], pads=[2, 2]), 3 * 17),
    "transposed-same-lower": ((2, 9), transposed(2, 3, 4, strides=[3], auto_pad="SAME_LOWER"), 3 * 27),
    "transposed-to-a-shape": ((2, 9), transposed(2, 3, 4, strides=[2], output_shape=[19]), 3 * 19),
    "transposed-with-holes": ((2, 4), transposed(2, 3, 2, strides=[3]), 3 * 11),
    "transposed-2d-in-groups": (
        (4, 3, 5),
        transposed(4, 3, 3, 2, groups=2, strides=[2, 3], pads=[0, 1, 1, 0], output_padding=[1, 0], dilations=[1, 2]),
        6 * 7 * 14,
    ),
    "transposed-depthwise": ((16, 3, 3), transposed(16, 1, 3, 3, groups=16, pads=[1, 1, 1, 1]), 16 * 9),
    "max-pool": ((2, 9), one("MaxPool", kernel_shape=[3], strides=[2], pads=[1, 1]), 2 * 5),
    "max-pool-rounded-up": ((2, 10), one("MaxPool", kernel_shape=[3], strides=[2], ceil_mode=1), 2 * 5),
    "max-pool-2d-dilated": ((2, 6, 6), one("MaxPool", kernel_shape=[2, 3], strides=[2, 1], dilations=[2, 1]), 2 * 2 * 4),
    "average-pool": ((2, 9), one("AveragePool", kernel_shape=[3], strides=[2], pads=[1, 1]), 2 * 5),
    "average-pool-of-padding": ((2, 9), one("AveragePool", kernel_shape=[3], pads=[1, 1], count_include_pad=1), 2 * 9),
    "global-average-pool": ((2, 3, 3), one("GlobalAveragePool"), 2),
    "global-max-pool": ((2, 3, 3), one("GlobalMaxPool"), 2),
    "pad-with-a-number": ((2, 9), pad("constant", 0, 1, 3, 0, 0, 2), 3 * 14),
    "pad-by-cutting": ((2, 9), pad("constant", 0, 0, -3, 0, 1, 2), 3 * 8),
    "pad-with-the-edge": ((2, 9), pad("edge", 0, 1, 3, 0, 0, 2), 3 * 14),
    "pad-by-reflection": ((2, 9), pad("reflect", 0, 1, 3, 0, 0, 2), 3 * 14),
    "resized-by-factors": ((2, 3, 4), resized(2.0, 1.5), 2 * 6 * 6),
    "resized-to-sizes": ((2, 3, 4), lambda g, x: g.add("Resize", x, "", "", np.array([3, 10]), axes=[2, 3]), 2 * 3 * 10),
    "resized-as-torch-does": (
        (2, 3, 4),
        resized(1, 2, coordinate_transformation_mode="asymmetric", nearest_mode="floor", cubic_coeff_a=-0.75),
        2 * 3 * 8,
    ),
    "resized-with-aligned-corners": (
        (2, 3, 4),
        resized(1, 2.5, coordinate_transformation_mode="align_corners", nearest_mode="ceil"),
        2 * 3 * 10,
    ),
    "resized-and-rounded-up": ((2, 3, 4), resized(0.5, 0.75, nearest_mode="round_prefer_ceil"), 2 * 1 * 3),
    "layer-norm-of-rows": ((4, 6), lambda g, x: g.add("LayerNormalization", x, g.draw(6), g.draw(6)), 24),
    "layer-norm-of-two-axes": ((4, 6), lambda g, x: g.add("LayerNormalization", x, g.draw(4, 6), axis=1), 24),
    "instance-norm": ((4, 6), lambda g, x: g.add("InstanceNormalization", x, g.draw(4), g.draw(4)), 24),
    "group-norm": ((4, 6), lambda g, x: g.add("GroupNormalization", x, g.draw(4), g.draw(4), num_groups=2), 24),
    "batch-norm": ((4, 6), lambda g, x: g.add("BatchNormalization", x, *(g.draw(4) for _ in range(3)), g.draw(4) + 1), 24),
    "slope-of-each-channel": ((4, 6), lambda g, x: g.add("PRelu", x, g.draw(4, 1)), 24),
    "softmax-over-channels": ((4, 6), one("Softmax", axis=1), 24),
    "softmax-of-rows": ((4, 6), one("Softmax"), 24),
    "product-of-rows": ((4, 6), lambda g, x: g.add("MatMul", x, g.draw(6, 5)), 20),
    "product-from-the-left": ((4, 6), lambda g, x: g.add("MatMul", g.draw(3, 4), x), 18),
    "product-of-each-row-with-a-matrix": ((4, 1, 6), lambda g, x: g.add("MatMul", x, g.draw(4, 6, 9)), 36),
    "product-of-each-row-with-a-column": ((4, 1, 6), lambda g, x: g.add("MatMul", x, g.draw(4, 6, 1)), 4),
    "product-with-one-matrix-of-three-axes": ((4, 2, 6), lambda g, x: g.add("MatMul", x, g.draw(1, 6, 5)), 40),
    "product-with-a-vector": ((4, 6), lambda g, x: g.add("MatMul", x, g.draw(6)), 4),
    "product-of-two-signals": ((4, 6), lambda g, x: g.add("MatMul", x, g.add("Transpose", x, perm=[0, 2, 1])), 16),
    "attention": (
        (4, 6),
        lambda g, x: g.add(
            "MatMul", g.add("Softmax", g.add("MatMul", x, g.add("Transpose", g.add("Sin", x), perm=[0, 2, 1]))), x
        ),
        24,
    ),
    "einsum-of-groups": ((4, 6), einsum("bgi,gih->bgh", (4, 6, 9)), 36),
    "einsum-of-narrow-groups": ((4, 6), einsum("bgi,gih->bhg", (4, 6, 2)), 8),
    "einsum-without-a-sum": ((4, 6), einsum("bgi,ih->bhgi", (6, 2)), 48),
    "einsum-that-sums-alone-what-the-other-lacks": ((4, 6), einsum("bgi,gh->bh", (4, 3)), 3),
    "einsum-with-three-weights": ((4, 6), einsum("bgi,gh,ij,j->bhj", (4, 3), (6, 2), (2,)), 6),
    "einsum-with-an-ellipsis": ((4, 6), einsum("...i,ij->...j", (6, 5)), 20),
    "einsum-without-an-arrow": ((4, 6), einsum("bgi,ij", (6, 5)), 20),
    "einsum-of-one-signal": ((4, 6), einsum("bgi -> bi"), 6),
    "einsum-that-transposes": ((4, 6), einsum("bgi->big"), 24),
    "einsum-of-signals": ((4, 6), einsum_with_itself("bgi,bhi->bgh", 2), 16),
    "einsum-of-three-signals": ((3, 4), einsum_with_itself("bgi,bgj,bhi->bjh", 3), 12),
    "mean-over-channels": ((4, 6), lambda g, x: g.add("ReduceMean", x, [1], keepdims=0), 6),
    "sum-of-everything": ((4, 6), lambda g, x: g.add("ReduceSum", x, [1, 2]), 1),
    "largest-of-rows": ((4, 6), lambda g, x: g.add("ReduceMax", x, [2]), 4),
    "smallest-of-rows": ((4, 6), lambda g, x: g.add("ReduceMin", x, [-1]), 4),
    "l1-of-rows": ((4, 6), lambda g, x: g.add("ReduceL1", x, [2]), 4),
    "l2-of-everything": ((4, 6), lambda g, x: g.add("ReduceL2", x, [1, 2]), 1),
    "sum-of-squares": ((4, 6), lambda g, x: g.add("ReduceSumSquare", x, [1], keepdims=0), 6),
    "log-of-a-sum": ((4, 6), lambda g, x: g.add("ReduceLogSum", g.add("Abs", x), [2]), 4),
    "log-of-a-sum-of-exponentials": ((4, 6), lambda g, x: g.add("ReduceLogSumExp", x, [1], keepdims=0), 6),
    "log-softmax-over-channels": ((4, 6), one("LogSoftmax", axis=1), 24),
    "log-softmax-of-rows": ((4, 6), one("LogSoftmax"), 24),
    "tile": ((4, 6), lambda g, x: g.add("Tile", x, [1, 2, 3]), 144),
    "expand": ((4, 1), lambda g, x: g.add("Expand", x, [1, 4, 5]), 20),
    "sine-and-cosine": ((4, 6), lambda g, x: g.add("Add", g.add("Sin", x), g.add("Cos", x)), 24),
    "power": ((4, 6), lambda g, x: g.add("Pow", g.add("Abs", x), np.float32(0.3)), 24),
    "power-of-a-number": ((4, 6), lambda g, x: g.add("Pow", np.float32(1.7), x), 24),
    "whole-numbers": ((4, 6), lambda g, x: g.add("Add", g.add("Floor", x), g.add("Ceil", x)), 24),
    "index-of-the-largest": ((4, 6), one("ArgMax", axis=2), 4),
    "index-of-the-smallest": ((4, 6), one("ArgMin", axis=1, keepdims=0), 6),
}


def graph(case: Case) -> tuple[bytes, int]:
    """A model file with the frame as its input, (batch, values), and a dense layer at its end; and the values of a frame."""
    shape, draw, n_outputs = case
    g, size = Sketch("B", opset=21), int(np.prod(shape))
    g.inputs = [g.info("x", ["B", size])]
    y = draw(g, g.add("Reshape", "x", [-1, *shape]))
    if "Arg" in y:
        y = g.add("Cast", y, to=1)
    return g.bytes(g.add("MatMul", g.add("Flatten", y), g.draw(n_outputs, 3))), size


@pytest.mark.parametrize("name", CASES)
def test_what_works_within_a_step_gives_what_onnxruntime_gives(name: str) -> None:
    data, size = graph(CASES[name])
    x = np.random.default_rng(1).normal(size=(5, size)).astype(np.float32)
    expected = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    np.testing.assert_allclose(
        Stream(read_onnx(data).model).process(x), expected, rtol=0, atol=2e-6 * max(1, abs(expected).max())
    )


def test_a_dense_layer_takes_the_last_h_of_each_of_two_layers() -> None:
    g = Sketch()
    y, first = g.rnn("x")
    both = g.add("Concat", first, g.rnn(g.squeezed(y, 1), inputs=HIDDEN)[1], axis=0)
    data = g.bytes(g.add("MatMul", both, g.draw(HIDDEN, 2)))
    x = np.random.default_rng(2).normal(size=(6, 1, 3)).astype(np.float32)
    expected = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    found = Stream(read_onnx(data).model).process(x[:, 0])[-1]
    np.testing.assert_allclose(found.reshape(2, 1, 2), expected, rtol=0, atol=1e-6)


def kinds(name: str) -> list[str]:
    def named(layer: Layer) -> str:
        return layer.kind if layer.row is layer else f"{layer.kind} of {layer.row.kind}"

    return [named(layer) for layer in read_onnx(graph(CASES[name])[0]).model.layers]


def test_a_convolution_with_a_group_for_each_channel_is_no_matrix_of_zeros() -> None:
    assert kinds("conv-depthwise") == ["select", "rows of depthwise", "select", "dense"]


def test_of_a_transposed_convolution_no_zeros_between_its_inputs_are_multiplied() -> None:
    model = read_onnx(graph(CASES["transposed"])[0]).model
    assert sorted(layer.row.input_size for layer in model.layers if isinstance(layer, Rows)) == [4, 6]


REFUSED: dict[str, tuple[Case, str]] = {
    "windows-that-do-not-fit": (((2, 4), conv(3, 2, 5), 0), "windows of 5 do not fit 4 values"),
    "strides-for-other-axes": (((2, 4), conv(3, 2, 2, strides=[1, 2]), 0), "strides and dilations do not fit 1 axes"),
    "pads-for-other-axes": (((2, 4), conv(3, 2, 2, pads=[1, 1, 1]), 0), "pads do not fit 1 axes"),
    "an-unknown-padding": (((2, 4), conv(3, 2, 2, auto_pad="SAME"), 0), "auto_pad='SAME' is not one of"),
    "another-kernel-shape": (((2, 4), conv(3, 2, 2, kernel_shape=[3]), 0), "does not fit its kernel_shape"),
    "other-channels": (((2, 4), conv(3, 5, 2), 0), "makes 3 of 5 channels in 1 groups, but the signal has 2"),
    "groups-that-do-not-fit": (((4, 4), conv(3, 2, 2, groups=2), 0), "2 groups"),
    "a-transposed-padding-of-everything": (((2, 4), transposed(2, 3, 2, pads=[3, 3]), 0), "cuts off all outputs"),
    "a-transposed-shape-of-other-axes": (((2, 4), transposed(2, 3, 2, output_padding=[0, 0]), 0), "do not fit 1 axes"),
    "a-pool-of-other-axes": (((2, 4), one("MaxPool", kernel_shape=[2, 2]), 0), "kernel_shape does not fit"),
    "a-pool-of-padding-alone": (
        ((2, 4), one("MaxPool", kernel_shape=[1], pads=[1, 0]), 0),
        "nothing but padding",
    ),
    "a-pool-that-counts-what-it-rounds-up": (
        ((2, 4), one("AveragePool", kernel_shape=[3], strides=[2], ceil_mode=1, count_include_pad=1), 0),
        "counts padding and rounds up",
    ),
    "a-reflection-of-too-much": (((2, 4), pad("reflect", 0, 0, 4, 0, 0, 0), 0), "reflects 4 values of an axis of 4"),
    "an-unknown-mode": (((2, 4), pad("mirror", 0, 0, 1, 0, 0, 0), 0), "mode='mirror' is not one of"),
    "a-padding-that-cuts-all": (((2, 4), pad("edge", 0, 0, -2, 0, 0, -2), 0), "cuts off all values"),
    "the-last-largest": (((2, 4), one("ArgMax", axis=1, select_last_index=1), 0), "select_last_index=1"),
    "groups-of-other-channels": (
        ((4, 6), lambda g, x: g.add("GroupNormalization", x, g.draw(4), g.draw(4), num_groups=3), 0),
        "3 groups do not fit 4 channels",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_by_node_and_reason(name: str) -> None:
    (shape, draw, _), why = REFUSED[name]
    g = Sketch("B", opset=21)
    g.inputs = [g.info("x", ["B", int(np.prod(shape))])]
    message = refusal(g.bytes(g.add("Flatten", draw(g, g.add("Reshape", "x", [-1, *shape])))))
    assert message.startswith("node 'my_")
    assert why in message
