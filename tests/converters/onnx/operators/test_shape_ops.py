"""Operators that move axes or keep values as they are, and constants and states that a graph puts together with them."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from onnx import TensorProto, numpy_helper

from tests.converters.onnx.onnx_graphs import random_node
from tests.converters.onnx.sketch import (
    HIDDEN,
    INPUTS,
    N_SIGNALS,
    N_STEPS,
    Drawing,
    Sketch,
    assert_streams_what_onnxruntime_gives,
)

PLUMBING: dict[str, Callable[[], Drawing]] = {}


def plumbing(draw: Callable[[], Drawing]) -> Callable[[], Drawing]:
    PLUMBING[draw.__name__.replace("_", "-")] = draw
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


@plumbing
def gemm_of_a_lone_signal() -> Drawing:
    g = Sketch("TF")
    y = g.add("Reshape", g.rnn(g.add("Unsqueeze", "x", [1]))[0], [-1, HIDDEN])
    return g.bytes(g.add("Gemm", y, g.draw(HIDDEN, 2))), "TF", "TF"


@pytest.mark.parametrize("name", PLUMBING)
def test_plumbing_is_followed(name: str) -> None:
    data, axes_in, axes_out = PLUMBING[name]()
    assert_streams_what_onnxruntime_gives(data, axes_in, axes_out)


def test_an_expand_to_the_length_of_the_example_fixes_the_number_of_steps() -> None:
    """As torch's newer exporter writes F.normalize after an LSTM, which it has given that length."""
    g = Sketch()
    y = g.squeezed(g.rnn("x")[0], 1)
    size = g.add("Expand", g.add("ReduceL2", y, [2]), [N_STEPS, 1, HIDDEN])
    imported = assert_streams_what_onnxruntime_gives(g.bytes(g.add("Div", y, size)), "TBF", "TBF")
    assert any(
        f"fixes the number of steps to {N_STEPS}, which the graph declares open" in remark for remark in imported.remarks
    )
