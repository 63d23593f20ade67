"""Whole graphs made by hand: every operator of the plumbing, every head, and each way in which a graph is refused.

What imports is compared with onnxruntime. Axes are written as letters: T time, B batch, F features, L layers, 1 always one.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import GRU, ConversionError, Dense, Pointwise, Stream, StreamRNNError
from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from streamrnn_converters import from_onnx
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.onnx.imported import Imported
from tests.converters.onnx.onnx_graphs import random_node

N_STEPS, N_SIGNALS, INPUTS, HIDDEN = 7, 2, 3, 4
TOLERANCE = 5e-6
LETTERS = {"time": "T", "batch": "B", "feature": "F", "one": "1", "layer": "L"}
SIZES = {"T": N_STEPS, "B": N_SIGNALS, "F": INPUTS, "1": 1}


class Sketch:
    """A graph in the making. Its input is x; axes whose letters are in `open_axes` have no declared size."""

    def __init__(self, axes: str = "TBF", open_axes: str = "TB", opset: int = 18) -> None:
        self.axes, self.opset = axes, opset
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs = [self.info("x", [letter if letter in open_axes else SIZES[letter] for letter in axes])]
        self.outputs: list[str] = []
        self.rng = np.random.default_rng(5)

    @staticmethod
    def info(name: str, sizes: Sequence[Any] | None, dtype: int = TensorProto.FLOAT) -> Any:
        return helper.make_tensor_value_info(name, dtype, sizes)

    def add(self, op: str, *inputs: Any, n: int = 1, name: str = "", **attributes: Any) -> Any:
        """A node; arrays and numbers among its inputs become constants. Its output, or a list of them where n > 1."""
        named = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        count = sum(node.op_type == op for node in self.nodes)
        name = name or f"my_{op}{count or ''}"
        outputs = [f"{name}.{index}" for index in range(n)]
        self.nodes.append(helper.make_node(op, named, outputs, name, **attributes))
        return outputs if n > 1 else outputs[0]

    def constant(self, value: Any) -> str:
        array = np.asarray(value)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def draw(self, *shape: int) -> NDArray[np.float32]:
        return self.rng.uniform(-0.6, 0.6, shape).astype(np.float32)

    def rnn(self, x: str, op: str = "GRU", inputs: int = INPUTS, n: int = 0, **states: str) -> Any:
        """Y, Y_h (and Y_c) of a node, time first."""
        tensors = random_node(self.rng, op, inputs, HIDDEN).tensors
        given = [tensors["W"], tensors["R"], tensors["B"], "", *states.values()]
        n = n or (3 if op == "LSTM" else 2)
        return self.add(op, x, *(given if states else given[:3]), n=n, hidden_size=HIDDEN)

    def squeezed(self, value: str, *axes: int) -> str:
        return str(self.add("Squeeze", value, list(axes)))

    def model(self) -> Any:
        graph = helper.make_graph(
            self.nodes, "sketch", self.inputs, [self.info(name, None) for name in self.outputs], self.constants
        )
        version = helper.make_opsetid("", self.opset)
        return helper.make_model(graph, opset_imports=[version], ir_version=10, producer_name="hand")

    def bytes(self, *outputs: str) -> bytes:
        self.outputs = list(outputs)
        return self.model().SerializeToString()  # type: ignore[no-any-return]


def letters(axes: Sequence[str]) -> str:
    return "".join(LETTERS[axis] for axis in axes)


def arranged(array: NDArray[Any], have: str, want: str) -> NDArray[Any]:
    """An array with axes `have`, its axes in the order of `want`; of the time that is not wanted the last step."""
    for axis in [axis for axis in have if axis not in want]:
        array, have = np.take(array, -1, have.index(axis)), have.replace(axis, "")
    array = array.transpose([have.index(axis) for axis in want if axis != "1"])
    return np.expand_dims(array, [place for place, axis in enumerate(want) if axis == "1"])


def assert_streams_what_onnxruntime_gives(data: bytes, axes_in: str, *axes_out: str) -> Imported:
    """The import has axes where they are said to be, and a stream of each signal gives what the graph gives."""
    imported = read_onnx(data)
    assert letters(imported.input.axes) == axes_in
    assert [letters(output.axes) for output in imported.outputs] == list(axes_out)
    n_steps, n_signals = N_STEPS if "T" in axes_in else 1, N_SIGNALS if "B" in axes_in else 1
    x = np.random.default_rng(1).normal(size=(n_steps, n_signals, imported.model.input_size)).astype(np.float32)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": arranged(x, "TBF", axes_in)})

    signals, states = [], []
    for signal in range(n_signals):
        stream = Stream(imported.model)
        half = n_steps // 2
        steps = [stream.step(row) for row in x[:half, signal]]
        signals.append(np.concatenate([*(step[None] for step in steps), stream.process(x[half:, signal])]))
        states.append(stream.states)
    for output, reference in zip(imported.outputs, expected, strict=True):
        if output.states:
            ours = np.array([[own[layer][name] for own in states] for layer, name in output.states])
            ours = arranged(ours, "LBF", letters(output.axes))
        else:
            ours = arranged(np.stack(signals, 1), "TBF", letters(output.axes))
        assert ours.shape == reference.shape
        assert np.abs(ours - reference).max() <= TOLERANCE
    return imported


def refusal(data: bytes) -> str:
    with pytest.raises(ConversionError) as refused:
        from_onnx(data)
    return str(refused.value)


# Plumbing. Each function draws a graph and says where its axes are.

Drawing = tuple[bytes, str, str]
PLUMBING: dict[str, Callable[[], Drawing]] = {}
HEADS: dict[str, Callable[[], Drawing]] = {}


def plumbing(draw: Callable[[], Drawing]) -> Callable[[], Drawing]:
    PLUMBING[draw.__name__.replace("_", "-")] = draw
    return draw


def head(draw: Callable[[], Drawing]) -> Callable[[], Drawing]:
    HEADS[draw.__name__.replace("_", "-")] = draw
    return draw


@plumbing
def nothing_around_the_node() -> Drawing:
    g = Sketch()
    return g.bytes(g.rnn("x")[0]), "TBF", "T1BF"


@plumbing
def transpose_around_the_node() -> Drawing:
    g = Sketch("BTF")
    y = g.rnn(g.add("Transpose", "x", perm=[1, 0, 2]))[0]
    return g.bytes(g.add("Transpose", g.squeezed(y, 1), perm=[1, 0, 2])), "BTF", "BTF"


@plumbing
def transpose_that_turns_all_axes_around() -> Drawing:
    g = Sketch("FBT")
    return g.bytes(g.squeezed(g.rnn(g.add("Transpose", "x"))[0], -3)), "FBT", "TBF"


@plumbing
def squeeze_by_attribute() -> Drawing:
    g = Sketch(opset=11)
    return g.bytes(g.add("Squeeze", g.rnn("x")[0], axes=[1])), "TBF", "TBF"


@plumbing
def squeeze_of_all_that_is_one() -> Drawing:
    g = Sketch(open_axes="")
    return g.bytes(g.add("Squeeze", g.rnn("x")[0])), "TBF", "TBF"


@plumbing
def unsqueeze_of_a_lone_signal() -> Drawing:
    g = Sketch("TF")
    return g.bytes(g.squeezed(g.rnn(g.add("Unsqueeze", "x", [1]))[0], 1, 2)), "TF", "TF"


@plumbing
def unsqueeze_by_attribute() -> Drawing:
    g = Sketch("TF", opset=11)
    return g.bytes(g.rnn(g.add("Unsqueeze", "x", axes=[-2]))[0]), "TF", "T1BF"


@plumbing
def unsqueeze_of_the_time_of_a_single_step() -> Drawing:
    g = Sketch("BF")
    return g.bytes(g.rnn(g.add("Unsqueeze", "x", [0]))[0]), "BF", "T1BF"


@plumbing
def unsqueeze_of_a_single_feature() -> Drawing:
    g = Sketch("TB")
    return g.bytes(g.rnn(g.add("Unsqueeze", "x", [2]), inputs=1)[0]), "TB", "T1BF"


@plumbing
def reshape_that_copies_sizes() -> Drawing:
    g = Sketch()
    y = g.add("Transpose", g.rnn("x")[0], perm=[0, 2, 1, 3])
    return g.bytes(g.add("Reshape", y, [0, 0, -1])), "TBF", "TBF"


@plumbing
def reshape_to_numbers() -> Drawing:
    g = Sketch(open_axes="")
    return g.bytes(g.add("Reshape", g.rnn("x")[0], [N_STEPS, N_SIGNALS, 1, HIDDEN])), "TBF", "TB1F"


@plumbing
def reshape_to_sizes_computed_from_the_input() -> Drawing:
    g = Sketch()
    shape = g.add("Shape", "x")
    sizes = [g.add("Gather", shape, [place]) for place in (0, 1)]
    features = g.add("Mul", g.add("Shape", g.add("Constant", value_floats=[0.0, 1.0])), [HIDDEN // 2])
    return g.bytes(g.add("Reshape", g.rnn("x")[0], g.add("Concat", *sizes, features, axis=0))), "TBF", "TBF"


@plumbing
def identity_dropout_cast_and_expand_that_do_nothing() -> Drawing:
    g = Sketch()
    x = g.add("Dropout", g.add("Identity", "x"), np.float32(0.4), np.array(False))
    y = g.add("Cast", g.squeezed(g.rnn(g.add("Cast", x, to=TensorProto.FLOAT))[0], 1), to=TensorProto.FLOAT)
    y = g.add("Expand", y, g.add("Shape", y))
    return g.bytes(g.add("Slice", y, [0], [np.iinfo(np.int64).max], [0], [1])), "TBF", "TBF"


@plumbing
def dropout_of_an_old_opset() -> Drawing:
    g = Sketch(opset=7)
    return g.bytes(g.rnn(g.add("Dropout", "x", ratio=0.4))[0]), "TBF", "T1BF"


@plumbing
def slices_that_cut_nothing() -> Drawing:
    g = Sketch(opset=9, open_axes="T")
    x = g.add("Slice", "x", starts=[0, 0], ends=[N_SIGNALS, 1000], axes=[1, 2])
    return g.bytes(g.rnn(x)[0]), "TBF", "T1BF"


@plumbing
def states_of_zeros_expanded_to_the_batch() -> Drawing:
    g = Sketch("BTF")
    batch = g.add("Unsqueeze", g.add("Gather", g.add("Shape", "x"), np.int64(0), axis=0), [0])
    zeros = [g.add("Expand", np.zeros((1, 1, HIDDEN), np.float32), g.add("Concat", [1], batch, [1], axis=0)) for _ in "hc"]
    y = g.rnn(g.add("Transpose", "x", perm=[1, 0, 2]), "LSTM", initial_h=zeros[0], initial_c=zeros[1])[0]
    return g.bytes(y), "BTF", "T1BF"


@plumbing
def states_of_constants_for_an_open_batch() -> Drawing:
    g = Sketch()
    batch = g.add("Shape", "x", start=1, end=-1)
    shape = g.add("Concat", [1], batch, [HIDDEN], axis=0)
    h, c = (
        g.add("ConstantOfShape", shape, value=numpy_helper.from_array(np.array([value], np.float32))) for value in (0.3, -0.7)
    )
    return g.bytes(g.rnn("x", "LSTM", initial_h=h, initial_c=c)[0]), "TBF", "T1BF"


@plumbing
def states_learned_and_repeated() -> Drawing:
    """expand(-1, n, -1): -1 keeps a size, which Where finds out."""
    g = Sketch()
    batch = g.add("Shape", "x", start=1, end=2)
    wanted = g.add("Concat", [-1], batch, [-1], axis=0)
    ones = g.add("ConstantOfShape", [3], value=numpy_helper.from_array(np.array([1], np.int64)))
    shape = g.add("Where", g.add("Equal", wanted, g.add("Mul", ones, [-1])), ones, wanted)
    return g.bytes(g.rnn("x", initial_h=g.add("Expand", g.draw(1, 1, HIDDEN), shape))[0]), "TBF", "T1BF"


@plumbing
def states_cut_from_those_of_all_layers() -> Drawing:
    g = Sketch()
    shape = g.add("Concat", [2], g.add("Shape", "x", start=1, end=2), [HIDDEN], axis=0)
    both = g.add("Expand", g.draw(2, 1, HIDDEN), shape)
    first, second = (g.add("Slice", both, [place], [place + 1], [0]) for place in (0, 1))
    y = g.squeezed(g.rnn("x", initial_h=first)[0], 1)
    return g.bytes(g.rnn(y, inputs=HIDDEN, initial_h=second)[0]), "TBF", "T1BF"


@plumbing
def states_transposed_squeezed_and_unsqueezed() -> Drawing:
    g = Sketch()
    shape = g.add("Concat", g.add("Shape", "x", start=1, end=2), [1, HIDDEN], axis=0)
    h = g.add("Transpose", g.add("Expand", g.draw(1, HIDDEN), shape), perm=[1, 0, 2])
    return g.bytes(g.rnn("x", initial_h=g.add("Unsqueeze", g.squeezed(h, 0), [0]))[0]), "TBF", "T1BF"


@plumbing
def states_of_a_batch_too_large_to_write_out() -> Drawing:
    g = Sketch()
    g.inputs = [g.info("x", ["T", N_SIGNALS, INPUTS])]
    h = g.add("Slice", g.add("Expand", g.draw(1, 1, HIDDEN), [1 << 20, N_SIGNALS, HIDDEN]), [0], [1], [0])
    return g.bytes(g.rnn("x", initial_h=h)[0]), "TBF", "T1BF"


@plumbing
def weights_kept_in_half() -> Drawing:
    g = Sketch()
    tensors = random_node(g.rng, "GRU", INPUTS, HIDDEN).tensors
    wide = [g.add("Cast", tensors[name].astype(np.float16), to=TensorProto.FLOAT) for name in "WRB"]
    y = g.squeezed(g.add("GRU", "x", *wide, n=1, hidden_size=HIDDEN), 1)
    return g.bytes(g.add("MatMul", y, g.add("Cast", g.draw(HIDDEN, 2).astype(np.float16), to=TensorProto.FLOAT))), "TBF", "TBF"


@plumbing
def weights_put_together_in_the_graph() -> Drawing:
    g = Sketch()
    w = g.add("Concat", g.draw(1, HIDDEN, INPUTS), g.draw(1, 2 * HIDDEN, INPUTS), axis=-2)
    r = g.add("Reshape", g.add("Transpose", g.draw(HIDDEN, 3 * HIDDEN)), [1, 3 * HIDDEN, -1])
    b = g.add("Unsqueeze", g.add("Add", g.draw(6 * HIDDEN), g.add("Mul", np.float32(2), g.draw(6 * HIDDEN))), [0])
    return g.bytes(g.add("GRU", "x", w, r, b, n=2, hidden_size=HIDDEN)[0]), "TBF", "T1BF"


@plumbing
def weights_in_constant_nodes() -> Drawing:
    g = Sketch()
    tensors = random_node(g.rng, "RNN", INPUTS, HIDDEN).tensors
    given = [g.add("Constant", value=numpy_helper.from_array(tensors[name])) for name in "WRB"]
    return g.bytes(g.squeezed(g.add("RNN", "x", *given, hidden_size=HIDDEN), 1)), "TBF", "TBF"


@pytest.mark.parametrize("name", PLUMBING)
def test_plumbing_is_followed(name: str) -> None:
    data, axes_in, axes_out = PLUMBING[name]()
    assert_streams_what_onnxruntime_gives(data, axes_in, axes_out)


# The last step and the last h.


@head
def gather_of_the_last_step() -> Drawing:
    g = Sketch("BTF")
    y = g.add("Transpose", g.squeezed(g.rnn(g.add("Transpose", "x", perm=[1, 0, 2]))[0], 1), perm=[1, 0, 2])
    return g.bytes(g.add("Gemm", g.add("Gather", y, np.int64(-1), axis=1), g.draw(2, HIDDEN), g.draw(2), transB=1)), "BTF", "BF"


@head
def gather_of_the_last_step_by_its_number() -> Drawing:
    g = Sketch(open_axes="B")
    return g.bytes(g.add("Gather", g.rnn("x")[0], [N_STEPS - 1])), "TBF", "11BF"


@head
def slice_of_the_last_step() -> Drawing:
    g = Sketch()
    return g.bytes(g.squeezed(g.add("Slice", g.rnn("x")[0], [-1], [2**31 - 1], [0]), 0, 1)), "TBF", "BF"


@head
def slice_of_the_last_step_by_its_number() -> Drawing:
    g = Sketch(open_axes="B", opset=9)
    return g.bytes(g.add("Slice", g.rnn("x")[0], starts=[N_STEPS - 1], ends=[N_STEPS], axes=[-4])), "TBF", "11BF"


@head
def matmul_of_the_last_h() -> Drawing:
    g = Sketch()
    y = g.add("Add", g.add("MatMul", g.squeezed(g.rnn("x")[1], 0), g.draw(HIDDEN, 2)), g.draw(2))
    return g.bytes(y), "TBF", "BF"


@head
def matmul_of_the_last_h_with_its_axis_of_layers() -> Drawing:
    g = Sketch()
    return g.bytes(g.add("MatMul", g.rnn("x", "LSTM")[1], g.draw(HIDDEN, 2))), "TBF", "1BF"


@head
def gemm_of_the_last_h_picked_from_two_layers() -> Drawing:
    g = Sketch()
    y, first = g.rnn("x", "LSTM", n=2)
    _, second = g.rnn(g.squeezed(y, 1), "LSTM", HIDDEN, n=2)
    h = g.add("Gather", g.add("Concat", first, second, axis=0), np.int64(-1), axis=0)
    return g.bytes(g.add("Tanh", g.add("Gemm", h, g.draw(HIDDEN, 2)))), "TBF", "BF"


@head
def gemm_of_the_last_h_cut_from_two_layers() -> Drawing:
    g = Sketch()
    y, first = g.rnn("x")
    _, second = g.rnn(g.squeezed(y, 1), inputs=HIDDEN)
    h = g.add("Slice", g.add("Concat", first, second, axis=-3), [1], [2], [0])
    return g.bytes(g.add("Gemm", g.add("Reshape", h, [-1, HIDDEN]), g.draw(HIDDEN, 2))), "TBF", "BF"


@head
def gemm_of_the_h_of_the_first_of_two_layers() -> Drawing:
    """What lies behind the first has no part in the output."""
    g = Sketch()
    y, first = g.rnn("x")
    _, second = g.rnn(g.squeezed(y, 1), inputs=HIDDEN)
    h = g.add("Gather", g.add("Concat", first, second, axis=0), np.int64(0), axis=0)
    return g.bytes(g.add("Gemm", h, g.draw(HIDDEN, 2))), "TBF", "BF"


@head
def reshape_of_the_last_h() -> Drawing:
    g = Sketch(open_axes="T")
    return g.bytes(g.add("Reshape", g.rnn("x")[1], [N_SIGNALS, HIDDEN])), "TBF", "BF"


@plumbing
def gemm_of_a_lone_signal() -> Drawing:
    g = Sketch("TF")
    y = g.add("Reshape", g.rnn(g.add("Unsqueeze", "x", [1]))[0], [-1, HIDDEN])
    return g.bytes(g.add("Gemm", y, g.draw(HIDDEN, 2))), "TF", "TF"


@pytest.mark.parametrize("name", HEADS)
def test_the_last_step_and_the_last_h_are_followed(name: str) -> None:
    data, axes_in, axes_out = HEADS[name]()
    imported = assert_streams_what_onnxruntime_gives(data, axes_in, axes_out)
    assert len(imported.remarks) == 1


def test_every_state_may_be_an_output_beside_the_signal() -> None:
    g = Sketch()
    y, *first = g.rnn("x", "LSTM")
    y, h = g.rnn(g.squeezed(y, 1), inputs=HIDDEN)
    both = g.add("Concat", first[0], h, axis=0)
    data = g.bytes(y, h, *first, both, g.add("Transpose", both, perm=[1, 2, 0]), g.squeezed(h, 0))
    imported = assert_streams_what_onnxruntime_gives(data, "TBF", "T1BF", "LBF", "LBF", "LBF", "LBF", "BFL", "BF")
    expected = [(), ((1, "h"),), ((0, "h"),), ((0, "c"),), ((0, "h"), (1, "h")), ((0, "h"), (1, "h")), ((1, "h"),)]
    assert [output.states for output in imported.outputs] == expected


def test_the_signal_may_be_given_as_a_whole_and_as_its_last_step() -> None:
    g = Sketch()
    y = g.rnn("x")[0]
    assert_streams_what_onnxruntime_gives(g.bytes(y, g.add("Gather", y, np.int64(-1))), "TBF", "T1BF", "1BF")


def test_what_no_output_depends_on_may_be_anything() -> None:
    g = Sketch()
    y = g.rnn("x")[0]
    g.add("NonZero", "x")
    assert_streams_what_onnxruntime_gives(g.bytes(y), "TBF", "T1BF")


# Dense layers.

GEMMS: dict[str, Callable[[Sketch, str], str]] = {
    "plain": lambda g, a: g.add("Gemm", a, g.draw(HIDDEN, 3)),
    "transposed": lambda g, a: g.add("Gemm", a, g.draw(3, HIDDEN), g.draw(3), transB=1),
    "scaled": lambda g, a: g.add("Gemm", a, g.draw(HIDDEN, 3), g.draw(3), alpha=0.3, beta=-1.7),
    "bias-as-a-row": lambda g, a: g.add("Gemm", a, g.draw(HIDDEN, 3), g.draw(1, 3)),
    "bias-of-one-number": lambda g, a: g.add("Gemm", a, g.draw(HIDDEN, 3), g.draw(1)),
    "bias-without-axes": lambda g, a: g.add("Gemm", a, g.draw(HIDDEN, 3), np.float32(0.3)),
    "of-one-output": lambda g, a: g.add("Gemm", a, g.draw(HIDDEN, 1), g.draw(1)),
    "matmul": lambda g, a: g.add("MatMul", a, g.draw(HIDDEN, 3)),
    "matmul-add": lambda g, a: g.add("Add", g.add("MatMul", a, g.draw(HIDDEN, 3)), g.draw(3)),
    "matmul-add-from-the-left": lambda g, a: g.add("Add", g.draw(1, 3), g.add("MatMul", a, g.draw(HIDDEN, 3))),
    "matmul-add-add": lambda g, a: g.add("Add", g.add("Add", g.add("MatMul", a, g.draw(HIDDEN, 3)), g.draw(3)), g.draw(1)),
    "weights-transposed-in-the-graph": lambda g, a: g.add("MatMul", a, g.add("Transpose", g.draw(3, HIDDEN), perm=[1, 0])),
    "two-layers": lambda g, a: g.add("MatMul", g.add("Sigmoid", g.add("MatMul", a, g.draw(HIDDEN, 3))), g.draw(3, 2)),
}


@pytest.mark.parametrize("name", GEMMS)
def test_a_dense_layer_is_what_onnxruntime_makes_of_it(name: str) -> None:
    g = Sketch("TF")
    y = g.squeezed(g.rnn(g.add("Unsqueeze", "x", [1]))[0], 1, 2)
    assert_streams_what_onnxruntime_gives(g.bytes(GEMMS[name](g, y)), "TF", "TF")


ACTIVATIONS: dict[str, tuple[str, dict[str, Any], int]] = {
    "tanh": ("Tanh", {}, 18),
    "sigmoid": ("Sigmoid", {}, 18),
    "relu": ("Relu", {}, 18),
    "softplus": ("Softplus", {}, 18),
    "softsign": ("Softsign", {}, 18),
    "elu": ("Elu", {"alpha": 1.4}, 18),
    "elu-default": ("Elu", {}, 18),
    "leaky-relu": ("LeakyRelu", {"alpha": 0.3}, 18),
    "leaky-relu-default": ("LeakyRelu", {}, 18),
    "thresholded-relu": ("ThresholdedRelu", {"alpha": 0.2}, 18),
    "thresholded-relu-default": ("ThresholdedRelu", {}, 18),
    "hard-sigmoid": ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}, 18),
    "hard-sigmoid-default": ("HardSigmoid", {}, 18),
    "softmax": ("Softmax", {}, 18),
    "softmax-by-axis": ("Softmax", {"axis": 2}, 13),
    "gelu": ("Gelu", {}, 20),
    "gelu-by-tanh": ("Gelu", {"approximate": "tanh"}, 20),
    "erf": ("Erf", {}, 18),
    "softmax-of-an-old-opset": ("Softmax", {"axis": 2}, 11),
    "softmax-of-an-old-opset-from-the-end": ("Softmax", {"axis": -1}, 11),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_fused_into_the_dense_layer_before_it(name: str) -> None:
    op, attributes, opset = ACTIVATIONS[name]
    g = Sketch(opset=opset)
    y = g.rnn("x")[0]
    y = g.squeezed(y, 1) if opset >= 13 else g.add("Squeeze", y, axes=[1])
    y = g.add(op, g.add("Add", g.add("MatMul", y, 5 * g.draw(HIDDEN, 3)), g.draw(3)), **attributes)
    imported = assert_streams_what_onnxruntime_gives(g.bytes(y), "TBF", "TBF")
    assert [layer.kind for layer in imported.model.layers] == ["gru", "dense"]


COMPOSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "mish": ("Mish", {}, "gru pointwise(softplus) pointwise(tanh) arithmetic"),
    "selu": ("Selu", {}, "gru pointwise(elu(1.67326)) affine"),
    "selu-of-other-constants": ("Selu", {"alpha": 1.2, "gamma": 0.7}, "gru pointwise(elu(1.2)) affine"),
    "celu": ("Celu", {}, "gru affine pointwise(elu(1)) affine"),
    "celu-of-another-constant": ("Celu", {"alpha": 0.3}, "gru affine pointwise(elu(1)) affine"),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_a_function_without_a_kernel_is_put_together_of_those_that_have_one(name: str) -> None:
    op, attributes, layers = COMPOSED[name]
    g = Sketch()
    y = g.add(op, g.squeezed(g.rnn("x")[0], 1), **attributes)
    model = assert_streams_what_onnxruntime_gives(g.bytes(y), "TBF", "TBF").model
    said = [f"({layer.activation})" if isinstance(layer, Pointwise) else "" for layer in model.layers]
    assert " ".join(layer.kind + function for layer, function in zip(model.layers, said, strict=True)) == layers


def guarded(threshold: float, *, outer: float = 2.0, swapped: bool = False) -> bytes:
    """softplus(2 x) / outer, and x itself where 2 x is above a threshold."""
    g = Sketch()
    y = g.squeezed(g.rnn("x")[0], 1)
    scaled = g.add("Mul", y, np.float32(2))
    smooth = g.add("Div", g.add("Softplus", scaled), np.float32(outer))
    choices = (smooth, y) if swapped else (y, smooth)
    return g.bytes(g.add("Where", g.add("Greater", scaled, np.float32(threshold)), *choices))


def test_the_guard_of_a_softplus_is_taken_away_where_it_changes_nothing() -> None:
    assert_streams_what_onnxruntime_gives(guarded(20), "TBF", "TBF")


@pytest.mark.parametrize("data", [guarded(14), guarded(20, outer=3), guarded(20, swapped=True), guarded(-1)])
def test_a_guard_that_changes_something_is_refused(data: bytes) -> None:
    assert refusal(data).startswith("node 'my_Greater' (Greater): this operator is not understood")


def test_dense_layers_alone_are_a_model() -> None:
    g = Sketch("BF")
    y = g.add("Tanh", g.add("Gemm", "x", g.draw(INPUTS, 4), g.draw(4)))
    imported = assert_streams_what_onnxruntime_gives(g.bytes(g.add("MatMul", y, g.draw(4, 2))), "BF", "BF")
    assert [layer.kind for layer in imported.model.layers] == ["dense", "dense"]


def test_the_axes_of_dense_layers_alone_are_followed_too() -> None:
    g = Sketch()
    y = g.add("Transpose", g.add("MatMul", "x", g.draw(INPUTS, 2)), perm=[1, 0, 2])
    assert_streams_what_onnxruntime_gives(g.bytes(y), "TBF", "BTF")


def test_a_dense_layer_may_come_first() -> None:
    g = Sketch("BTF")
    x = g.add("Transpose", g.add("Relu", g.add("MatMul", "x", g.draw(INPUTS, 5))), perm=[1, 0, 2])
    assert_streams_what_onnxruntime_gives(g.bytes(g.rnn(x, inputs=5)[0]), "BTF", "T1BF")


# Refusals: a graph that says who is refused, and why.

Refused = tuple[bytes, str, str]
REFUSALS: dict[str, Callable[[], Refused]] = {}


def refused(draw: Callable[[], Refused]) -> Callable[[], Refused]:
    REFUSALS[draw.__name__.replace("_", "-")] = draw
    return draw


def behind_a_gru(why: str, op: str, *inputs: Any, who: str = "", squeezed: bool = True, **attributes: Any) -> Refused:
    """A graph in which a node, who is refused, has the output of a GRU, (T, B, F) or (T, 1, B, F), for its first input."""
    g = Sketch()
    y = g.rnn("x")[0]
    return g.bytes(g.add(op, g.squeezed(y, 1) if squeezed else y, *inputs, **attributes)), who or f"node 'my_{op}' ({op})", why


def behind_a_dense(why: str, op: str, *inputs: Any, axes: str = "TBF", **attributes: Any) -> Refused:
    """The same with the output of a dense layer of 3 outputs."""
    g = Sketch(axes)
    return g.bytes(g.add(op, g.add("MatMul", "x", g.draw(INPUTS, 3)), *inputs, **attributes)), f"node 'my_{op}' ({op})", why


@refused
def an_unused_graph_input() -> Refused:
    g = Sketch()
    g.inputs.append(g.info("speaker", [1, 4]))
    return g.bytes(g.rnn("x")[0]), "graph input 'speaker'", "has no part in the outputs"


@refused
def an_output_that_is_a_constant() -> Refused:
    g = Sketch()
    return (
        g.bytes(g.rnn("x")[0], g.add("Add", g.draw(2), g.draw(2))),
        "graph output 'my_Add.0'",
        "does not depend on the signal",
    )


@refused
def an_output_that_is_a_shape() -> Refused:
    g = Sketch()
    return g.bytes(g.rnn("x")[0], g.add("Shape", "x")), "graph output 'my_Shape.0'", "does not depend on the signal"


@refused
def an_output_that_is_the_mask_of_a_dropout() -> Refused:
    g = Sketch()
    y, mask = g.add("Dropout", g.rnn("x")[0], n=2)
    return g.bytes(y, mask), f"graph output {mask!r}", "cannot be streamed"


@refused
def states_of_another_branch() -> Refused:
    g = Sketch()
    one, other = g.rnn("x"), g.rnn("x")
    return g.bytes(one[0], other[1]), f"graph output {other[1]!r}", "is a state of a gru layer on which no other output depends"


@refused
def no_layers_at_all() -> Refused:
    g = Sketch()
    return g.bytes(g.add("Identity", "x")), "no layer lies between", "there is nothing to stream"


@refused
def an_axis_too_many() -> Refused:
    g = Sketch("TB1F", open_axes="TB1")
    return (
        g.bytes(g.add("MatMul", "x", g.draw(INPUTS, 2))),
        "graph input 'x'",
        "has axes that are neither time, batch nor features",
    )


@refused
def a_second_layer_over_the_batch() -> Refused:
    g = Sketch()
    y = g.add("Transpose", g.squeezed(g.rnn("x")[0], 1), perm=[1, 0, 2])
    return g.bytes(g.rnn(y, inputs=HIDDEN)[0]), "node 'my_GRU1' (GRU)", "what is its time axis is the batch axis of the signal"


@refused
def a_dense_layer_over_time() -> Refused:
    g = Sketch(open_axes="B")
    y = g.add("Transpose", g.squeezed(g.rnn("x")[0], 1), perm=[1, 2, 0])
    y = g.add("MatMul", y, g.draw(N_STEPS, 2))
    return g.bytes(y), "node 'my_MatMul' (MatMul)", "what is its feature axis is the time axis of the signal"


@refused
def a_recurrent_layer_behind_the_last_step() -> Refused:
    g = Sketch()
    y = g.add("Slice", g.squeezed(g.rnn("x")[0], 1), [-1], [2**31 - 1], [0])
    return g.bytes(g.rnn(y, inputs=HIDDEN)[0]), "node 'my_GRU1' (GRU)", "is the last step of a signal only"


@refused
def a_recurrent_layer_over_states() -> Refused:
    g = Sketch()
    return (
        g.bytes(g.rnn(g.rnn("x")[1], inputs=HIDDEN)[0]),
        "node 'my_GRU1' (GRU)",
        "its input is the last step of a signal only",
    )


@refused
def a_head_on_the_cell_state() -> Refused:
    g = Sketch()
    y = g.add("MatMul", g.squeezed(g.rnn("x", "LSTM")[2], 0), g.draw(HIDDEN, 2))
    return g.bytes(y), "node 'my_MatMul' (MatMul)", "the final c of a layer, which no stream gives"


@refused
def a_head_on_the_states_of_two_layers() -> Refused:
    g = Sketch()
    y, first = g.rnn("x")
    both = g.add("Concat", first, g.rnn(g.squeezed(y, 1), inputs=HIDDEN)[1], axis=0)
    return (
        g.bytes(g.add("MatMul", both, g.draw(HIDDEN, 2))),
        "node 'my_MatMul' (MatMul)",
        "of final states it takes the h of one layer",
    )


@refused
def states_joined_in_different_orders() -> Refused:
    g = Sketch(open_axes="T")
    y, first = g.rnn("x")
    second = g.add("Transpose", g.rnn(g.squeezed(y, 1), inputs=HIDDEN)[1], perm=[0, 2, 1])
    return (
        g.bytes(g.add("Concat", first, second, axis=0)),
        "node 'my_Concat' (Concat)",
        "only values within a step can be joined",
    )


@refused
def an_input_of_booleans() -> Refused:
    g = Sketch()
    y = g.rnn("x")[0]
    g.inputs[0].type.tensor_type.elem_type = TensorProto.BOOL
    return g.bytes(y), "graph input 'x'", "BOOL cannot be streamed, only FLOAT, DOUBLE and FLOAT16"


@refused
def a_function_of_the_model() -> Refused:
    g = Sketch()
    g.outputs = [g.rnn("x")[0]]
    model = g.model()
    body = [helper.make_node("Identity", ["a"], ["b"])]
    model.functions.append(helper.make_function("mine", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 18)]))
    return model.SerializeToString(), "function 'Twice'", "not understood"


@refused
def control_flow() -> Refused:
    g = Sketch()
    bodies = {
        name: helper.make_graph([helper.make_node("Identity", ["x"], [name])], name, [], [g.info(name, None)])
        for name in ("then_branch", "else_branch")
    }
    return g.bytes(g.rnn(g.add("If", np.array(True), **bodies))[0]), "node 'my_If' (If)", "graphs within nodes"


@refused
def an_operator_of_another_domain() -> Refused:
    g = Sketch()
    return g.bytes(g.add("GRU", "x", domain="com.acme")), "node 'my_GRU' (GRU)", "operators of the domain 'com.acme'"


@refused
def weights_in_another_file() -> Refused:
    g = Sketch()
    g.outputs = [g.rnn("x")[0]]
    model = g.model()
    tensor = model.graph.initializer[1]
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    tensor.ClearField("raw_data")
    return model.SerializeToString(), f"initializer {tensor.name!r}", "its data lies in another file"


@refused
def weights_shorter_than_their_shape() -> Refused:
    g = Sketch()
    g.outputs = [g.rnn("x")[0]]
    model = g.model()
    tensor = model.graph.initializer[1]
    tensor.raw_data = tensor.raw_data[:-4]
    return model.SerializeToString(), f"initializer {tensor.name!r}", "does not fit its shape (1, 12, 4)"


@refused
def weights_that_are_computed() -> Refused:
    g = Sketch()
    y = g.squeezed(g.rnn("x")[0], 1)
    return g.bytes(g.add("MatMul", y, y)), "node 'my_MatMul' (MatMul)", "its input B is not a constant matrix of floats"


@refused
def weights_that_are_not_finite() -> Refused:
    weights = np.full((HIDDEN, 2), np.nan, np.float32)
    return behind_a_gru("every weight must be finite", "MatMul", weights)


ONE_LINERS: dict[str, Callable[[], Refused]] = {
    "unknown-operator": lambda: behind_a_gru("this operator is not understood as part of a stream", "Sin"),
    "unknown-attribute": lambda: behind_a_gru("attribute 'wet' is not understood", "Identity", wet=1),
    "unknown-attribute-of-a-dense-layer": lambda: behind_a_gru(
        "attribute 'wet' is not understood", "MatMul", np.ones((HIDDEN, 2), np.float32), wet=1
    ),
    "missing-attribute": lambda: behind_a_gru("does not say along which axis", "Concat"),
    "missing-input": lambda: behind_a_gru("has 1 inputs, but the operator takes 2 at least", "Gather"),
    "left-out-input": lambda: behind_a_gru("its axes must be a constant list", "Unsqueeze", "x"),
    "activation-over-time": lambda: behind_a_dense("axis=0 is not the feature axis alone", "Softmax", axis=0),
    "softmax-without-such-an-axis": lambda: behind_a_dense("axes [5] do not fit 3 axes", "Softmax", axis=5),
    "sum-with-itself": lambda: behind_a_gru("combines 4 values with 3", "Add", "x"),
    "comparison": lambda: behind_a_gru("compares what is not constant", "Equal", np.float32(2)),
    "choice": lambda: behind_a_gru("do not fit the operator", "Where", np.float32(2), np.float32(1)),
    "bias-of-too-many-numbers": lambda: behind_a_dense(
        "has shape (1, 1, 4), which does not fit", "Add", np.ones(4, np.float32)
    ),
    "bias-of-one-number-a-signal": lambda: behind_a_dense(
        "has shape (1, 3, 1), which does not fit", "Add", np.ones((3, 1), np.float32)
    ),
    "bias-of-one-number-a-step": lambda: behind_a_dense(
        "has shape (7, 1, 3), which does not fit", "Add", np.ones((7, 1, 3), np.float32)
    ),
    "bias-of-integers": lambda: behind_a_dense("not a constant of floats", "Add", [1, 2, 3]),
    "bias-that-is-not-finite": lambda: behind_a_dense("must be finite", "Add", np.array([1, np.inf, 2], np.float32)),
    "gemm-of-three-axes": lambda: behind_a_gru("has 3 axes, expected 2", "Gemm", np.ones((HIDDEN, 2), np.float32)),
    "gemm-from-the-other-side": lambda: behind_a_gru("transA=1", "Gemm", np.ones((HIDDEN, 2), np.float32), transA=1),
    "gemm-with-wrong-rows": lambda: behind_a_dense(
        "its weights have 5 rows, but the signal has 3 features", "Gemm", np.ones((5, 2), np.float32), axes="BF"
    ),
    "gemm-with-a-wrong-bias": lambda: behind_a_dense(
        "C has shape (2, 1), expected (2,)", "Gemm", np.ones((3, 2), np.float32), np.ones((2, 1), np.float32), axes="BF"
    ),
    "matmul-of-more-axes": lambda: behind_a_gru("is not a constant matrix", "MatMul", np.ones((1, HIDDEN, 2), np.float32)),
    "transpose-of-too-few-axes": lambda: behind_a_gru("perm [1, 0] does not fit", "Transpose", perm=[1, 0]),
    "squeeze-of-the-batch": lambda: behind_a_gru(
        "removes axis 2, whose size is not known to be 1", "Squeeze", [2], squeezed=False
    ),
    "squeeze-of-an-axis-that-is-not-there": lambda: behind_a_gru("axes [4] do not fit 4 axes", "Squeeze", [4], squeezed=False),
    "squeeze-of-one-axis-twice": lambda: behind_a_gru("axes [1, -3] do not fit 4 axes", "Squeeze", [1, -3], squeezed=False),
    "unsqueeze-of-no-axis": lambda: behind_a_gru("has 1 inputs, but the operator takes 2 at least", "Unsqueeze"),
    "reshape-that-merges": lambda: behind_a_gru("shape [-1, 4] does not keep the axes", "Reshape", [-1, HIDDEN]),
    "reshape-with-two-free-sizes": lambda: behind_a_gru("does not keep the axes", "Reshape", [-1, -1, HIDDEN]),
    "reshape-that-fixes-an-open-size": lambda: behind_a_gru("does not keep the axes", "Reshape", [N_STEPS, -1, HIDDEN]),
    "reshape-to-a-great-many-axes": lambda: behind_a_gru("does not keep the axes", "Reshape", [0, 0, *[1] * 5000, -1]),
    "gather-of-the-first-step": lambda: behind_a_gru("picks place 0 of the time axis", "Gather", np.int64(0)),
    "gather-of-several-steps": lambda: behind_a_gru("picks several places", "Gather", [-1, -2]),
    "gather-of-a-signal": lambda: behind_a_gru("picks place 0 of the batch axis", "Gather", np.int64(0), axis=1),
    "gather-from-an-axis-that-is-not-there": lambda: behind_a_gru("axes [4] do not fit", "Gather", np.int64(-1), axis=4),
    "gather-at-a-place-that-is-computed": lambda: behind_a_gru("its indices are not constant integers", "Gather", "x"),
    "gather-at-a-place-that-is-no-integer": lambda: behind_a_gru("not constant integers", "Gather", np.float32(-1)),
    "reshape-to-sizes-that-are-no-integers": lambda: behind_a_gru(
        "its shape must be a constant list of integers", "Reshape", np.array([0, 0, -1], np.complex64)
    ),
    "slice-of-the-first-steps": lambda: behind_a_gru("cuts the signal", "Slice", [0], [3], [0]),
    "slice-of-all-but-the-first-step": lambda: behind_a_gru("cuts the signal", "Slice", [1], [2**31 - 1], [0]),
    "slice-of-every-second-step": lambda: behind_a_gru("cuts the signal", "Slice", [0], [2**31 - 1], [0], [2]),
    "slice-backwards": lambda: behind_a_gru(
        "turns the signal behind a gru layer around in time", "Slice", [-1], [-(2**62)], [0], [-1]
    ),
    "slice-of-the-batch": lambda: behind_a_gru("picks place -1 of the batch axis", "Slice", [-1], [2**31 - 1], [1]),
    "slice-of-nothing": lambda: behind_a_gru("picks nothing", "Slice", [2], [2], [2]),
    "slice-without-an-end": lambda: behind_a_gru("has 2 inputs, but the operator takes 3 at least", "Slice", [0]),
    "slice-of-fewer-starts-than-axes": lambda: behind_a_gru("do not fit the operator", "Slice", [0], [3], [0, 1]),
    "expand-of-the-signal": lambda: behind_a_gru("repeats the signal", "Expand", [7, 2, 4]),
    "cast-of-the-signal": lambda: behind_a_gru("to another type than floats", "Cast", to=TensorProto.BOOL),
    "cast-to-nothing": lambda: behind_a_gru("to another type than floats", "Cast"),
    "celu-of-no-constant": lambda: behind_a_gru("alpha=0.0 is not positive", "Celu", alpha=0.0),
    "gelu-of-another-kind": lambda: behind_a_gru("approximate='erf' is neither", "Gelu", approximate="erf"),
    "dropout-in-training": lambda: behind_a_gru("training mode", "Dropout", np.float32(0.4), np.array(True)),
    "shape-with-a-wrong-attribute": lambda: behind_a_gru("do not fit the operator", "Shape", start=1.5),
}


@pytest.mark.parametrize("name", [*REFUSALS, *ONE_LINERS])
def test_what_is_not_understood_is_refused_by_name_and_reason(name: str) -> None:
    data, who, why = (REFUSALS | ONE_LINERS)[name]()
    message = refusal(data)
    assert message.startswith(who)
    assert why in message
    assert "\n" not in message


CONSTANTS: dict[str, Callable[[Sketch], str]] = {
    "a-negative-size": lambda g: g.add("ConstantOfShape", [-1, 2, 4]),
    "of-two-values": lambda g: g.add("ConstantOfShape", [1, 2, 4], value=numpy_helper.from_array(np.zeros(2, np.float32))),
    "expanded-to-another-size": lambda g: g.add("Expand", g.draw(1, 2, 4), [1, 3, 4]),
    "joined-of-sizes-that-do-not-fit": lambda g: g.add("Concat", g.draw(1, 1, 4), g.draw(1, 2, 4), axis=0),
    "joined-along-no-axis": lambda g: g.add("Concat", g.draw(1, 1, 4), axis=7),
    "cast-to-an-unknown-type": lambda g: g.add("Cast", g.draw(1, 2, 4), to=999),
    "cast-from-complex-numbers": lambda g: g.add("Cast", np.ones((1, 2, 4), np.complex64), to=TensorProto.FLOAT),
    "picked-out-of-range": lambda g: g.add("Gather", g.draw(1, 2, 4), [7]),
    "added-of-shapes-that-do-not-fit": lambda g: g.add("Add", g.draw(1, 2, 4), g.draw(3)),
    "multiplied-to-an-excess": lambda g: g.add("Mul", g.draw(1 << 14, 1), g.draw(1, 1 << 14)),
    "joined-to-an-excess": lambda g: g.add("Concat", *[g.constant(g.draw(1 << 14))] * (1 << 14), axis=0),
    "picked-to-an-excess": lambda g: g.add("Gather", g.draw(1, 1 << 14), np.zeros(1 << 14, np.int64)),
    "chosen-to-an-excess": lambda g: g.add("Where", np.ones((1 << 14, 1), bool), g.draw(1, 1 << 14), np.float32(0)),
    "reshaped-to-another-size": lambda g: g.add("Reshape", g.draw(1, 2, 4), [3, 3]),
    "transposed-by-what-is-no-order": lambda g: g.add("Transpose", g.draw(1, 2, 4), perm=[0, 0, 1]),
    "squeezed-where-it-is-not-one": lambda g: g.add("Squeeze", g.draw(1, 2, 4), [1]),
    "sliced-by-nothing": lambda g: g.add("Slice", g.draw(1, 2, 4), [0], [1], [0], [0]),
    "expanded-to-sizes-that-are-no-integers": lambda g: g.add("Expand", g.draw(1, 1, 4), "x"),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_that_cannot_be_is_refused_by_the_node_that_makes_it(name: str) -> None:
    g = Sketch(open_axes="T")
    value = CONSTANTS[name](g)
    op = g.nodes[-1].op_type
    assert refusal(g.bytes(g.rnn("x", initial_h=value)[0])).startswith(f"node 'my_{op}' ({op}): ")


@pytest.mark.parametrize("sizes", [[1 << 40, 1 << 40, 4], [1 << 60] * 30], ids=["memory", "float"])
def test_a_constant_too_large_to_write_out_is_not_written_out(sizes: list[int]) -> None:
    g = Sketch()
    y = g.rnn("x", initial_h=g.add("ConstantOfShape", sizes))[0]
    assert refusal(g.bytes(y)).startswith("node 'my_GRU' (GRU): its input initial_h has shape")


# Broken files.


def good_file() -> bytes:
    g = Sketch()
    y = g.rnn("x")[0]
    return g.bytes(g.add("Tanh", g.add("Add", g.add("MatMul", g.squeezed(y, 1), g.draw(HIDDEN, 2)), g.draw(2))))


@pytest.mark.parametrize("data", [b"", b"\0", b"garbage", b"PK\3\4" + bytes(100), bytes(range(256)) * 20], ids=range(5))
def test_what_is_no_model_is_refused(data: bytes) -> None:
    assert "not an ONNX model" in refusal(data)


def test_a_file_cut_short_anywhere_is_refused() -> None:
    data = good_file()
    from_onnx(data)
    # What stands at the end is the opset, without which no node means anything.
    for length in range(0, len(data), 7):
        assert refusal(data[:length])


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.onnx", tmp_path, str(tmp_path / "missing.onnx")):
        with pytest.raises(ConversionError, match="cannot be read"):
            from_onnx(path)


def test_a_model_is_read_from_a_path_a_name_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "good.onnx"
    path.write_bytes(good_file())
    models = [from_onnx(source) for source in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()))]
    assert len({model.fingerprint for model in models}) == 1
    gru, dense = models[0].layers
    assert isinstance(gru, GRU)
    assert isinstance(dense, Dense)


def mutant(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes changed, taken out, put in or repeated."""
    array = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        place, length = int(rng.integers(len(array))), int(rng.integers(1, 9))
        kind = rng.integers(4)
        if kind == 0:
            array[place] = rng.integers(256)
        elif kind == 1:
            array[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            del array[place : place + length]
        else:
            array[place:place] = rng.bytes(length)
    return bytes(array)


@pytest.mark.parametrize(
    "name", ["by-hand", "gru-2-layers-no-bias-last-open.dynamo", "lstm-2-layers-hidden-open.script", "gru-softmax.script"]
)
def test_a_damaged_file_imports_or_is_refused_by_an_error_of_ours(name: str) -> None:
    folder = Path(__file__).parents[1] / "fixtures" / "exports"
    data = good_file() if name == "by-hand" else (folder / f"{name}.onnx").read_bytes()
    rng = np.random.default_rng(11)
    n_refused = 0
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(150):
            try:
                from_onnx(mutant(data, rng))
            except StreamRNNError as error:
                n_refused += bool(str(error))
    assert not said
    assert 20 < n_refused < 150
