"""The last step and the last states, which a stream gives after every step."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")


from tests.converters.onnx.sketch import (
    HIDDEN,
    N_SIGNALS,
    N_STEPS,
    Drawing,
    Sketch,
    assert_streams_what_onnxruntime_gives,
)

HEADS: dict[str, Callable[[], Drawing]] = {}


def head(draw: Callable[[], Drawing]) -> Callable[[], Drawing]:
    HEADS[draw.__name__.replace("_", "-")] = draw
    return draw


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
