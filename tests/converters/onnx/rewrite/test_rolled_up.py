"""Loops over cells of your own that an exporter unrolled, as torch writes `for t in range(n)`: the same nodes for each row."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from streamrnn import Stream
from tests.models import one_width  # noqa: F401  (a fixture)

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'streamrnn[convert]'")

from streamrnn_converters.onnx import read_onnx  # noqa: E402
from streamrnn_converters.proof.verification import verify  # noqa: E402
from tests.converters.onnx.cell_graphs import Builder, H, I  # noqa: E402
from tests.converters.onnx.rewrite.test_lifting import BRIEF  # noqa: E402

N = 5
ROLLED = f"{N} steps of a loop were recognised as a cell of its own"

#: A step of a cell: from a row and states to the next states, and what the step gives.
Step = Callable[[str, Sequence[str]], tuple[list[str], str]]


def normed_cell(b: Builder) -> Step:
    """A gated cell with a layer norm, of two states."""
    of_x, of_h, one = b.weights(I, H), b.weights(H, H), b.constant(np.float32(1))
    scale, shift = b.weights(H), b.weights(H)

    def step(x: str, states: Sequence[str]) -> tuple[list[str], str]:
        h, c = states
        z = b.Sigmoid(b.Add(b.MatMul(x, of_x), b.MatMul(h, of_h)))
        c = b.Add(b.Mul(z, c), b.Mul(b.Sub(one, z), b.LayerNormalization(h, scale, shift, axis=-1)))
        h = b.Tanh(c)
        return [h, c], h

    return step


def leaky_mean(b: Builder) -> Step:
    kept, new = b.constant(np.float32(0.9)), b.constant(np.float32(0.1))

    def step(x: str, states: Sequence[str]) -> tuple[list[str], str]:
        mean = b.Add(b.Mul(states[0], kept), b.Mul(x, new))
        return [mean], mean

    return step


def minimal_gated_unit(b: Builder) -> Step:
    """Its h is read twice; an exporter writes the zeros with which it begins once for each."""
    weights, one = [b.weights(I, I) for _ in range(4)], b.constant(np.float32(1))
    begun: list[str] = []

    def step(x: str, states: Sequence[str]) -> tuple[list[str], str]:
        h, again = states[0], states[0] if begun else b.constant(zeros(I))
        begun.append(x)
        f = b.Sigmoid(b.Add(b.MatMul(x, weights[0]), b.MatMul(h, weights[1])))
        new = b.Tanh(b.Add(b.MatMul(x, weights[2]), b.MatMul(b.Mul(f, again), weights[3])))
        h = b.Add(b.Mul(b.Sub(one, f), h), b.Mul(f, new))
        return [h], h

    return step


def fused_sums(b: Builder) -> Step:
    """As onnxruntime's optimiser leaves a cell: sums are a part of products, but not in the first step."""
    of_x, of_h, kept = b.weights(I, I), b.weights(I, I), b.constant(np.float32(0.5))
    begun: list[str] = []

    def step(x: str, states: Sequence[str]) -> tuple[list[str], str]:
        given, h = b.MatMul(x, of_x), states[0]
        total = b.Gemm(h, of_h, given) if begun else b.Add(given, b.Gemm(h, of_h))
        begun.append(x)
        h = b.Add(b.Tanh(total), b.Mul(h, kept))
        return [h], h

    return step


def change_from_the_row_before(b: Builder) -> Step:
    weights = b.weights(I, H)

    def step(x: str, states: Sequence[str]) -> tuple[list[str], str]:
        return [x], b.MatMul(b.Sub(x, states[0]), weights)

    return step


def unrolled(
    cell: Callable[[Builder], Step], initial: Sequence[np.ndarray], *, last: bool = False, other: int = -1, axis: int = 1
) -> bytes:
    """A graph of N steps, of all of them or the last one.

    other  a step that multiplies what it gives by 2 before it goes on
    """
    b = Builder(3)
    step, states, given = cell(b), [b.constant(array) for array in initial], []
    for k in range(N):
        states, y = step(b.Gather("x", b.constant(np.int64(k)), axis=axis), states)
        if k == other:
            states = [b.Mul(state, b.constant(np.float32(2))) for state in states]
        given.append(b.Unsqueeze(y, b.constant(np.array([axis]))))
    y = y if last else b.Concat(*given, axis=axis)
    sizes = [2, N, I] if axis else [N, 2, I]
    model = b.model({"x": sizes}, {"y": b.MatMul(y, b.weights(H, 2)) if cell is normed_cell else y})
    return model


def zeros(size: int) -> np.ndarray:
    return np.zeros((2, size), np.float32)


DRAWINGS: dict[str, Callable[[], bytes]] = {
    "normed-cell": lambda: unrolled(normed_cell, [zeros(H), zeros(H)]),
    "normed-cell-time-first": lambda: unrolled(normed_cell, [zeros(H), zeros(H)], axis=0),
    "normed-cell-last-step": lambda: unrolled(normed_cell, [zeros(H), zeros(H)], last=True),
    "normed-cell-learned-state": lambda: unrolled(normed_cell, [zeros(H) + np.float32(0.3), zeros(H) - np.float32(0.2)]),
    "leaky-mean": lambda: unrolled(leaky_mean, [zeros(I) + np.float32(2)]),
    "minimal-gated-unit": lambda: unrolled(minimal_gated_unit, [zeros(I)]),
    "fused-sums": lambda: unrolled(fused_sums, [zeros(I)]),
    "change-from-the-row-before": lambda: unrolled(change_from_the_row_before, [zeros(I)]),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_steps_become_one_that_a_stream_repeats(name: str) -> None:
    data = DRAWINGS[name]()
    imported = read_onnx(data)
    assert ROLLED in imported.remarks
    assert imported.model.input_size == I
    assert any(layer.states for layer in imported.model.layers)
    report = verify(imported.model, data, cases=BRIEF)
    assert report.proven, str(report)
    assert not report.unreached


def test_a_stream_goes_on_after_the_steps_of_the_graph() -> None:
    """As the same loop does that is unrolled for twice as many steps: the graph is run on the second half from their states."""
    stream, x = Stream(read_onnx(DRAWINGS["leaky-mean"]()).model), np.ones((4 * N, I), np.float32)
    mean = np.array([0.9 ** (k + 1) * 2 + 1 - 0.9 ** (k + 1) for k in range(4 * N)])
    assert np.allclose(stream.process(x), mean[:, None])


def test_states_are_what_the_cell_has_and_not_what_a_product_makes_of_them() -> None:
    """The next step begins with R h; the state is h."""
    kinds = [layer.kind for layer in read_onnx(DRAWINGS["normed-cell"]()).model.layers]
    assert kinds.count("delay") == 2


def test_a_state_that_the_caller_brings_goes_on_from_there() -> None:
    b = Builder(3)
    step, states, given = normed_cell(b), ["h", "c"], []
    for k in range(N):
        states, y = step(b.Gather("x", b.constant(np.int64(k)), axis=1), states)
        given.append(b.Unsqueeze(y, b.constant(np.array([1]))))
    inputs = {"x": [2, N, I], "h": [2, H], "c": [2, H]}
    outputs = {"y": b.Concat(*given, axis=1), "h_out": states[0], "c_out": states[1]}
    data = b.model(inputs, outputs)
    imported = read_onnx(data)
    assert ROLLED in imported.remarks
    assert {state.name: state.source for state in imported.states} == {"h": "h_out", "c": "c_out"}
    assert imported.model.input_size == I
    report = verify(imported.model, data, cases=BRIEF)
    assert report.proven, str(report)


def test_an_input_that_every_step_reads_is_a_signal_that_stays_as_it_is() -> None:
    b = Builder(3)
    step, states, given = leaky_mean(b), [b.constant(zeros(I))], []
    for k in range(N):
        states, y = step(b.Mul(b.Gather("x", b.constant(np.int64(k)), axis=1), "scale"), states)
        given.append(b.Unsqueeze(y, b.constant(np.array([1]))))
    data = b.model({"x": [2, N, I], "scale": [2, I]}, {"y": b.Concat(*given, axis=1)})
    imported = read_onnx(data)
    assert ROLLED in imported.remarks
    assert [(given.name, given.steady) for given in imported.inputs] == [("x", False), ("scale", True)]
    report = verify(imported.model, data, cases=BRIEF)
    assert report.proven, str(report)


def test_what_an_exporter_has_computed_of_the_first_state_must_agree() -> None:
    """torch's newer exporter multiplies zeros with weights when it exports."""

    def folded(wrong: float) -> bytes:
        b = Builder(3)
        of_x, of_h, bias = b.weights(I, H), b.weights(H, H), b.weights(H)
        half, given = b.constant(np.float32(0.5)), []
        h, recurrent = b.constant(zeros(H)), b.constant(np.tile(b.tensors[bias], (2, 1)) + np.float32(wrong))
        for k in range(N):
            kept = b.Mul(h, half)
            sums = b.Add(b.MatMul(b.Gather("x", b.constant(np.int64(k)), axis=1), of_x), recurrent)
            h = b.Add(kept, b.Sigmoid(sums))
            recurrent = b.Gemm(h, of_h, bias)
            given.append(b.Unsqueeze(h, b.constant(np.array([1]))))
        return b.model({"x": [2, N, I]}, {"y": b.Concat(*given, axis=1)})

    data = folded(0.0)
    imported = read_onnx(data)
    assert ROLLED in imported.remarks
    assert verify(imported.model, data, cases=BRIEF).proven
    wrong = folded(0.1)  # still a loop: this is what its state begins with
    assert verify(read_onnx(wrong).model, wrong, cases=BRIEF).proven


@pytest.mark.parametrize("other", [1, 2, N - 2])
def test_a_step_that_does_something_else_is_no_step_of_the_loop(other: int) -> None:
    data = unrolled(leaky_mean, [zeros(I)], other=other)
    imported = read_onnx(data)
    assert ROLLED not in imported.remarks
    assert imported.model.input_size == 2 * N * I
    assert verify(imported.model, data, cases=BRIEF).proven


def test_rows_that_do_not_depend_on_each_other_are_no_loop() -> None:
    b = Builder(3)
    weights = b.weights(I, H)
    rows = [b.Tanh(b.MatMul(b.Gather("x", b.constant(np.int64(k)), axis=1), weights)) for k in range(N)]
    data = b.model({"x": [2, N, I]}, {"y": b.Concat(*rows, axis=1)})
    assert ROLLED not in read_onnx(data).remarks


def test_bands_of_a_step_whose_states_are_carried_are_no_steps() -> None:
    """A graph of one step, with a state in and out, which goes along the bands of a spectrum."""
    b = Builder(3)
    step, states, given = leaky_mean(b), [b.constant(zeros(I)[:1])], []
    for k in range(N):
        states, y = step(b.Add(b.Gather("x", b.constant(np.int64(k)), axis=1), "h"), states)
        given.append(b.Unsqueeze(y, b.constant(np.array([1]))))
    data = b.model({"x": [1, N, I], "h": [1, I]}, {"y": b.Concat(*given, axis=1), "h_out": b.Identity(states[0])})
    imported = read_onnx(data, states={"h": "h_out"})
    assert ROLLED not in imported.remarks
    assert [state.name for state in imported.states] == ["h"]
