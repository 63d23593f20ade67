"""`verify` proves what is right, finds each planted error and says where, and refuses what it cannot compare."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import GRU, LSTM, RNN, Activation, ConversionError, Dense, Layer, Model, VerificationError, load
from tests.converters.proof.mutation_law import survivors
from tests.models import one_width, rebuilt  # noqa: F401  (the first is a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="verifying needs the extra 'convert'")

from streamrnn_converters import from_onnx, verify
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.onnx.imported import Imported
from streamrnn_converters.proof import judge, origin, verification
from streamrnn_converters.proof.report import Comparison, Report
from streamrnn_converters.proof.verification import CASES, Case
from streamrnn_converters.reference_runs import process
from tests.converters.onnx.onnx_graphs import RecurrentNode, random_node, recurrent_model
from tests.converters.onnx.operators.test_heads import HEADS
from tests.converters.onnx.sketch import HIDDEN, INPUTS, Sketch

BRIEF = (Case("normal", 1.0, 30), Case("loud", 10.0, 30))


def node(op: str, inputs: int = INPUTS, *, batch: int = 2, name: str = "", **attributes: Any) -> RecurrentNode:
    drawn = random_node(np.random.default_rng(len(name)), op, inputs, HIDDEN, batch=batch, **attributes)
    return replace(drawn, name=name or drawn.name)


def graph(*nodes: RecurrentNode, batch: int | str = 2, n_steps: int | str = "T") -> bytes:
    model = recurrent_model(list(nodes), batch=batch, n_steps=n_steps)
    return model.SerializeToString()  # type: ignore[no-any-return]


def failed(report: Report) -> list[Comparison]:
    return [comparison for comparison in report.comparisons if not comparison.agrees]


def changed(model: Model, change: Callable[[Any], Layer], layer: int = 0) -> Model:
    layers = list(model.layers)
    layers[layer] = change(layers[layer])
    return Model(layers)


# What is right.


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("n_steps", [9, "T"])
@pytest.mark.parametrize("batch", [1, 3, "B"])
def test_a_right_model_is_proven_whatever_axes_are_open(batch: int | str, n_steps: int | str, layout: int) -> None:
    given = 2 if batch == "B" else batch
    data = graph(
        node("LSTM", batch=int(given), layout=layout),
        node("GRU", HIDDEN, batch=int(given), layout=layout, linear_before_reset=1),
        batch=batch,
        n_steps=n_steps,
    )
    imported = read_onnx(data)
    report = verify(imported.model, data, cases=BRIEF)
    assert report.proven, str(report)
    assert report.largest_error < 5e-6
    assert {comparison.output for comparison in report.comparisons} >= {"Y", "Y_h.0", "Y_c.0", "Y_h.1"}
    assert len(report.remarks) == 2 * layout
    assert all("layout=1 was rewritten as layout=0" in remark for remark in report.remarks)


def test_a_model_is_proven_from_its_archive_against_its_file(tmp_path: Path) -> None:
    source, archive = tmp_path / "model.onnx", tmp_path / "model.safetensors"
    source.write_bytes(graph(node("GRU")))
    from_onnx(source).save(archive)
    reports = [verify(load(archive), given, cases=BRIEF) for given in (source, str(source), source.read_bytes())]
    assert reports[0].proven
    assert reports[0] == reports[1] == reports[2]
    assert reports[0].model_fingerprint == load(archive).fingerprint


def test_the_cases_are_quiet_loud_saturating_and_long() -> None:
    data = graph(node("LSTM"))
    report = verify(from_onnx(data), data)
    assert report.proven, str(report)
    assert {comparison.case for comparison in report.comparisons} == {"quiet", "normal", "loud", "saturating", "long"}
    assert max(case.n_steps for case in CASES) == 2000


def test_a_graph_with_an_open_batch_that_only_one_signal_fits_is_proven_with_one() -> None:
    data = graph(node("LSTM", batch=1), batch="B")
    report = verify(from_onnx(data), data, cases=BRIEF)
    assert report.proven
    assert report.remarks == ("onnxruntime runs the graph with one signal at a time only; compared so",)


@pytest.mark.parametrize("name", ["gather-of-the-last-step", "slice-of-the-last-step-by-its-number", "reshape-of-the-last-h"])
def test_a_graph_that_gives_the_last_step_only_is_proven(name: str) -> None:
    data = HEADS[name]()[0]
    assert verify(from_onnx(data), data, cases=BRIEF).proven


def test_a_graph_of_dense_layers_alone_is_proven() -> None:
    data = dense_graph()
    assert verify(from_onnx(data), data, cases=BRIEF).proven


def test_a_model_that_overflows_is_compared_up_to_there() -> None:
    data = growing()
    report = verify(from_onnx(data), data, cases=(Case("normal", 1.0, 30),))
    assert report.proven, str(report)
    (remark,) = report.remarks
    assert remark.startswith("case 'normal': the model overflows float32 at step ")
    assert {comparison.output for comparison in report.comparisons} == {"Y", "Y_h"}


def dense_graph() -> bytes:
    g = Sketch("BF")
    return g.bytes(g.add("Tanh", g.add("Gemm", "x", g.draw(INPUTS, 4), g.draw(4))))


def growing(factor: float = 1000) -> bytes:
    """An RNN whose state grows by this factor with every step."""
    base = node("RNN", activations=["Relu"])
    weights = np.float32(factor) * np.eye(HIDDEN, dtype=np.float32)
    return graph(base.but(R=weights[None], initial_h=np.full((1, 2, HIDDEN), 2, np.float32)))


# What is wrong. Each graph that the errors are planted in, by name.

GRAPHS: dict[str, Callable[[], bytes]] = {
    "lstm": lambda: graph(node("LSTM")),
    "lstm-clipped": lambda: graph(node("LSTM", clip=0.3)),
    "gru": lambda: graph(node("GRU", linear_before_reset=1)),
    "gru-before": lambda: graph(node("GRU")),
    "gru-clipped": lambda: graph(node("GRU", clip=0.3)),
    "rnn": lambda: graph(node("RNN")),
    "rnn-clipped": lambda: graph(node("RNN", clip=0.3)),
    "dense": dense_graph,
}


def gates(order: list[int]) -> Callable[[Any], Layer]:
    """Gates in another order."""
    names = "input_weights", "recurrent_weights", "bias"
    return lambda layer: rebuilt(layer, **{name: getattr(layer, name)[order] for name in names})


def negated(gate: int) -> Callable[[Any], Layer]:
    """A gate negated: σ(-a) = 1 - σ(a)."""
    sign = np.where(np.arange(3) == gate, -1, 1)[:, None]
    return lambda layer: rebuilt(
        layer,
        input_weights=layer.input_weights * sign[..., None],
        recurrent_weights=layer.recurrent_weights * sign[..., None],
        bias=layer.bias * sign,
    )


def reset_before(layer: Any) -> Layer:
    bias = layer.bias.copy()
    bias[2] += layer.recurrent_bias
    return rebuilt(layer, form="reset-before", bias=bias, recurrent_bias=None)


def nudged(name: str) -> Callable[[Any], Layer]:
    """The last number of an array changed by a thousandth."""

    def nudge(layer: Any) -> Layer:
        array = getattr(layer, name).copy()
        array[(-1,) * array.ndim] += 1e-3
        return rebuilt(layer, **{name: array})

    return nudge


def without(**fields: Any) -> Callable[[Any], Layer]:
    return lambda layer: rebuilt(layer, **fields)


PLANTED: dict[str, tuple[str, Callable[[Any], Layer]]] = {
    "lstm-gates-i-and-f-swapped": ("lstm", gates([1, 0, 2, 3])),
    "lstm-gates-g-and-o-swapped": ("lstm", gates([0, 1, 3, 2])),
    "gru-gates-r-and-z-swapped": ("gru", gates([1, 0, 2])),
    "gru-mix-swapped": ("gru", negated(1)),
    "gru-before-mix-swapped": ("gru-before", negated(1)),
    "gru-reset-before-for-after": ("gru", reset_before),
    "gru-reset-after-for-before": ("gru-before", without(form="reset-after", recurrent_bias=np.zeros(HIDDEN))),
    "lstm-h0-ignored": ("lstm", without(initial_hidden=np.zeros(HIDDEN))),
    "lstm-c0-ignored": ("lstm", without(initial_cell=np.zeros(HIDDEN))),
    "gru-h0-ignored": ("gru", without(initial_hidden=np.zeros(HIDDEN))),
    "rnn-h0-ignored": ("rnn", without(initial_hidden=np.zeros(HIDDEN))),
    "lstm-input-weight-nudged": ("lstm", nudged("input_weights")),
    "lstm-recurrent-weight-nudged": ("lstm", nudged("recurrent_weights")),
    "lstm-peephole-nudged": ("lstm", nudged("peepholes")),
    "lstm-c0-nudged": ("lstm", nudged("initial_cell")),
    "gru-recurrent-bias-nudged": ("gru", nudged("recurrent_bias")),
    "rnn-recurrent-weight-nudged": ("rnn", nudged("recurrent_weights")),
    "dense-weight-nudged": ("dense", nudged("weights")),
    "lstm-bias-dropped": ("lstm", without(bias=None)),
    "gru-bias-dropped": ("gru", without(bias=None)),
    "gru-recurrent-bias-dropped": ("gru", without(recurrent_bias=np.zeros(HIDDEN))),
    "rnn-bias-dropped": ("rnn", without(bias=None)),
    "dense-bias-dropped": ("dense", without(bias=None)),
    "lstm-peepholes-dropped": ("lstm", without(peepholes=None)),
    "lstm-clip-ignored": ("lstm-clipped", without(clip=None)),
    "gru-clip-ignored": ("gru-clipped", without(clip=None)),
    "rnn-clip-ignored": ("rnn-clipped", without(clip=None)),
    "rnn-activation-swapped": ("rnn", without(activations=(Activation("sigmoid"),))),
    "dense-activation-dropped": ("dense", without(activation="linear")),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_is_found_and_the_report_says_where(name: str, tmp_path: Path) -> None:
    where, plant = PLANTED[name]
    data = GRAPHS[where]()
    changed(from_onnx(data), plant).save(tmp_path / "wrong.safetensors")
    report = verify(load(tmp_path / "wrong.safetensors"), data, cases=BRIEF)
    assert not report.proven
    worst = max(failed(report), key=lambda comparison: comparison.absolute)
    assert worst.absolute > report.tolerance
    assert abs(worst.ours - worst.reference) == pytest.approx(worst.absolute, rel=1e-6)
    signal = next(comparison for comparison in failed(report) if comparison.output == read_onnx(data).outputs[0].name)
    assert signal.first_disagreement is not None
    assert set(signal.place) >= {"batch", "feature"}
    if where != "dense":
        assert "time" in signal.place
        assert 0 <= signal.first_disagreement <= signal.place["time"] < 30


def test_an_error_in_one_output_is_placed_there() -> None:
    data = dense_graph()
    model = from_onnx(data)
    weights = model.layers[0].weights.copy()  # type: ignore[attr-defined]
    weights[2] += 0.01
    report = verify(changed(model, lambda layer: rebuilt(layer, weights=weights)), data, cases=BRIEF)
    assert {comparison.place["feature"] for comparison in report.comparisons} == {2}
    assert "feature 2" in str(report)


def test_an_error_that_shows_later_is_placed_at_its_first_step() -> None:
    base = node("GRU").but(initial_h=np.zeros((1, 2, HIDDEN), np.float32))
    data = graph(base)
    wrong = changed(from_onnx(data), lambda layer: rebuilt(layer, recurrent_weights=layer.recurrent_weights.swapaxes(1, 2)))
    report = verify(wrong, data, cases=BRIEF)
    assert [c.first_disagreement for c in report.comparisons if c.output == "Y"] == [1, 1]
    assert "differs from step 1 on" in str(report)


def test_an_error_in_the_second_layer_leaves_the_states_of_the_first_in_agreement() -> None:
    data = graph(node("LSTM"), node("LSTM", HIDDEN, name="second"))
    wrong = changed(from_onnx(data), without(initial_cell=np.zeros(HIDDEN)), layer=1)
    report = verify(wrong, data, cases=BRIEF)
    assert {comparison.output for comparison in failed(report)} == {"Y", "Y_h.1", "Y_c.1"}


def test_layers_in_another_order_are_found() -> None:
    data = graph(node("GRU", HIDDEN), node("GRU", HIDDEN, name="second"))
    report = verify(Model(from_onnx(data).layers[::-1]), data, cases=BRIEF)
    assert {comparison.output for comparison in failed(report)} == {"Y", "Y_h.0", "Y_h.1"}


def test_a_final_state_taken_from_the_wrong_layer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    data = graph(node("GRU"), node("GRU", HIDDEN, name="second"))
    model = from_onnx(data)

    def mistaken(source: bytes, constants: Any, **options: Any) -> Imported:
        imported = read_onnx(source, constants, **options)
        outputs = [replace(o, states=((1, "h"),)) if o.name == "Y_h.0" else o for o in imported.outputs]
        return replace(imported, outputs=tuple(outputs))

    monkeypatch.setattr(origin, "read_onnx", mistaken)
    report = verify(model, data, cases=BRIEF)
    assert {comparison.output for comparison in failed(report)} == {"Y_h.0"}


def test_a_head_on_the_wrong_layer_is_found() -> None:
    first = HEADS["gemm-of-the-h-of-the-first-of-two-layers"]()[0]
    last = HEADS["gemm-of-the-last-h-cut-from-two-layers"]()[0]
    with pytest.raises(VerificationError, match="the model has layers gru, gru, dense, but the graph has gru, dense"):
        verify(from_onnx(last), first)


def test_an_initial_state_is_seen_where_only_the_last_of_many_steps_is_given() -> None:
    g = Sketch()
    h = g.add("Expand", g.draw(1, 1, HIDDEN), g.add("Concat", [1], g.add("Shape", "x", start=1, end=2), [HIDDEN], axis=0))
    data = g.bytes(g.add("Gemm", g.squeezed(g.rnn("x", initial_h=h)[1], 0), g.draw(HIDDEN, 2)))
    model = from_onnx(data)
    assert verify(model, data).proven
    report = verify(changed(model, without(initial_hidden=np.zeros(HIDDEN))), data)
    assert len(failed(report)) == len(CASES)


@pytest.mark.parametrize(("op", "kind"), [("LSTM", LSTM), ("GRU", GRU), ("RNN", RNN)], ids=["lstm", "gru", "rnn"])
def test_every_tensor_of_a_model_counts(op: str, kind: type) -> None:
    data = graph(node(op))
    model = from_onnx(data)
    assert isinstance(model.layers[0], kind)
    for name in model.layers[0].tensors():
        report = verify(changed(model, nudged(name)), data, cases=(Case("normal", 1.0, 5),))
        assert not report.proven, name


# The report, and the progress.


def test_one_seed_gives_one_report() -> None:
    data = graph(node("GRU"))
    model = from_onnx(data)
    one, again, other = (verify(model, data, cases=BRIEF, seed=seed).to_json() for seed in (3, 3, 4))
    assert one == again
    assert one["comparisons"] != other["comparisons"]
    assert other["seed"] == 4


def test_the_report_is_json_and_names_all_that_took_part() -> None:
    import hashlib

    import onnxruntime

    import streamrnn

    data = graph(node("GRU"))
    model = from_onnx(data)
    proof = json.loads(json.dumps(verify(model, data, cases=BRIEF, tolerance=2e-5).to_json(), allow_nan=False))
    assert proof["proven"] is True
    assert proof["source_sha256"] == hashlib.sha256(data).hexdigest()
    assert proof["model_fingerprint"] == model.fingerprint
    assert (proof["onnxruntime"], proof["streamrnn"]) == (onnxruntime.__version__, streamrnn.__version__)
    assert (proof["tolerance"], proof["seed"]) == (2e-5, 0)
    assert [(c["output"], c["case"]) for c in proof["comparisons"]] == [(o, c.name) for c in BRIEF for o in ("Y", "Y_h")]
    assert model.with_notes({"proof": proof}).notes["proof"] == proof


def test_progress_goes_up_to_its_end() -> None:
    data = graph(node("GRU"))
    calls: list[tuple[int, int]] = []
    verify(from_onnx(data), data, cases=BRIEF, progress=lambda done, total: calls.append((done, total)))
    done, totals = zip(*calls, strict=True)
    assert list(done) == list(range(1, totals[0] + 1))
    assert set(totals) == {totals[0]}


# What cannot be compared.


def test_a_model_of_other_sizes_is_not_compared() -> None:
    data = graph(node("GRU"))
    other = Model([*from_onnx(data).layers, Dense(np.ones((2, HIDDEN)))])
    with pytest.raises(VerificationError, match="gives 2, but the graph takes 3 and gives 4; verify it against the file"):
        verify(other, data)


def test_a_model_of_other_layers_is_not_compared() -> None:
    with pytest.raises(VerificationError, match="the model has layers gru, but the graph has lstm"):
        verify(from_onnx(graph(node("GRU"))), graph(node("LSTM")))


def test_a_model_that_overflows_at_once_is_not_proven() -> None:
    data = growing(3e38)
    with pytest.raises(VerificationError, match="output 'Y': the model overflows float32 in every case, before there is"):
        verify(from_onnx(data), data, cases=BRIEF)


@pytest.mark.parametrize("source", [b"", b"garbage", "missing.onnx"])
def test_a_source_that_cannot_be_read_is_no_proof(source: bytes | str, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="the source cannot be imported: ") as error:
        verify(from_onnx(graph(node("GRU"))), source if isinstance(source, bytes) else tmp_path / source)
    assert isinstance(error.value.__cause__, ConversionError)


def test_what_onnxruntime_refuses_is_no_proof() -> None:
    """Our import ignores that two nodes have one name."""
    data = graph(node("GRU", HIDDEN), node("GRU", HIDDEN))
    with pytest.raises(VerificationError, match=r"onnxruntime cannot run the model: .*two nodes with same node name"):
        verify(from_onnx(data), data, cases=BRIEF)


def test_an_onnxruntime_that_is_late_is_no_proof() -> None:
    data = graph(node("GRU"))
    with pytest.raises(VerificationError, match=r"did not answer within 0\.01 s"):
        verify(from_onnx(data), data, cases=BRIEF, timeout=0.01)


def test_an_onnxruntime_that_crashes_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = tmp_path / "server.py"
    server.write_text("import os; os.abort()")
    monkeypatch.setattr(process, "_SERVER", server)
    data = graph(node("GRU"))
    with pytest.raises(VerificationError, match=r"onnxruntime crashed \(SIGABRT\)"):
        verify(from_onnx(data), data, cases=BRIEF)


# What float32 leaves open.


def imprecise(n_inputs: int = 64, size: float = 1000) -> bytes:
    """Small differences of large sums, which depend on how these are rounded."""
    g = Sketch("BF")
    g.inputs = [g.info("x", ["B", n_inputs])]
    large, rest = np.float32(size) * g.draw(n_inputs, 4), g.draw(n_inputs, 4)
    sums = g.add("MatMul", "x", np.concatenate([large, large + rest], axis=1))
    difference = np.concatenate([np.eye(4), -np.eye(4)]).astype(np.float32)
    return g.bytes(g.add("Tanh", g.add("MatMul", sums, difference)))


def test_what_rounding_explains_is_proven_and_told() -> None:
    data = imprecise()
    report = verify(from_onnx(data), data, cases=BRIEF)
    assert report.proven, str(report)
    assert report.largest_error > report.tolerance
    assert any("rounding alone moves float64 by" in remark for remark in report.remarks)


def test_where_rounding_moves_too_much_to_prove_anything_that_is_told() -> None:
    data = imprecise(size=1e6)
    report = verify(from_onnx(data), data, cases=BRIEF)
    assert not report.proven
    assert any("and more than 50 tolerances cannot be proven" in remark for remark in report.remarks), str(report)


def steep() -> bytes:
    """A GRU beside sines, which a loud enough signal takes round so often that rounding decides where they end.

    One more weight is read only where the signal is as loud.
    """
    g = Sketch("TBF", "T")
    y, _ = g.rnn("x")
    sums = g.add("MatMul", g.add("MatMul", "x", g.draw(INPUTS, 64)), g.draw(64, HIDDEN))
    sines = g.add("Sin", g.add("Mul", sums, np.float32(10)))
    excess = g.add("Relu", g.add("Sub", g.add("Abs", "x"), np.full(INPUTS, 500, np.float32)))
    loudness = g.add("MatMul", g.add("Tanh", excess), g.draw(INPUTS, HIDDEN))
    return g.bytes(g.add("Add", g.add("Add", g.squeezed(y, 1), sines), loudness))


STEEP = (*BRIEF, Case("overwhelming", 1e4, 30))


def test_a_case_that_rounding_alone_decides_is_set_aside_by_name_and_proves_nothing() -> None:
    data = steep()
    report = verify(from_onnx(data), data, cases=STEEP)
    assert report.proven, str(report)
    assert [c.case for c in report.comparisons if c.set_aside] == ["overwhelming"]
    assert report.largest_error < 1e-3
    assert any("'overwhelming': set aside. Rounding alone moves float64 by" in remark for remark in report.remarks)
    assert "set aside" in str(report)
    assert any("of the graph, read by node 'my_MatMul2'" in name for name in report.unreached), report.unreached


def test_what_is_set_aside_most_often_is_not_proven() -> None:
    data = steep()
    report = verify(from_onnx(data), data, cases=(STEEP[0], STEEP[-1]))
    assert not report.proven
    assert "too many cases of output" in str(report)


def shares() -> bytes:
    """A GRU beside the share of one gate of two. onnxruntime's Sigmoid stops at 1.5e-8, where both are less."""
    g = Sketch("TBF", "T")
    one, other = (g.add("Sigmoid", g.add("MatMul", "x", g.draw(INPUTS, HIDDEN))) for _ in range(2))
    share = g.add("Div", one, g.add("Add", one, other))
    return g.bytes(g.add("Add", g.squeezed(g.rnn("x")[0], 1), share))


def test_a_case_in_which_onnxruntime_alone_is_off_is_set_aside_and_proves_nothing() -> None:
    data, cases = shares(), (BRIEF[0], Case("quiet", 0.1, 30), Case("loud", 30.0, 30))
    report = verify(from_onnx(data), data, cases=cases)
    assert report.proven, str(report)
    assert [c.case for c in report.comparisons if c.set_aside] == ["loud"]
    assert any("'loud': set aside. onnxruntime is off by" in remark for remark in report.remarks), report.remarks
    assert "SURVIVES" not in dict(survivors(data, cases=cases)).values()


def test_a_wrong_weight_is_found_or_named_beside_a_case_that_is_set_aside() -> None:
    data = steep()
    outcomes = dict(survivors(data, cases=STEEP))
    assert len(outcomes) > 8
    assert "SURVIVES" not in outcomes.values(), outcomes


def test_what_rounding_does_not_explain_is_not_proven() -> None:
    """An error that is a little larger than the effect of rounding on this model."""
    data = imprecise()
    model = from_onnx(data)
    for size in (0.1, 0.01):
        weights = model.layers[1].weights.copy()  # type: ignore[attr-defined]
        weights[0, 0] += size / 100
        assert not verify(changed(model, without(weights=weights), layer=1), data, cases=BRIEF).proven


def test_float64_is_asked_only_where_the_two_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("float64 was asked for")

    data = graph(node("LSTM"))
    with monkeypatch.context() as patch:
        patch.setattr(judge, "float64_runs", refuse)
        assert verify(from_onnx(data), data, cases=BRIEF).proven
    report = verify(changed(from_onnx(data), without(bias=None)), data, cases=BRIEF)
    assert not report.proven
    assert "beside the graph in float64, streamrnn is off by" in report.remarks[0]


def accumulating() -> bytes:
    """An LSTM whose c adds up what comes in, far from zero and back: its error adds up too, its output forgets it."""
    base = random_node(np.random.default_rng(1), "LSTM", INPUTS, 8, gain=3).but("P")
    bias = base.tensors["B"].copy()
    bias[0, :8], bias[0, 16:24] = 20, 20  # the input gate and the forget gate
    return graph(base.but(B=bias, R=base.tensors["R"] * 0.01), batch=1)


def test_a_state_whose_error_adds_up_is_judged_by_float64_and_mutants_of_it_are_not_proven() -> None:
    data, cases = accumulating(), (Case("long", 1.0, 3000),)
    model = from_onnx(data)
    report = verify(model, data, cases=cases)
    assert report.proven, str(report)
    for name in ("input_weights", "bias", "initial_cell"):
        assert not verify(changed(model, nudged(name)), data, cases=cases).proven, name


def overflowing(head: bool) -> bytes:
    """An RNN with Softplus, of which onnxruntime makes infinity from 89 on; the head hides that."""
    g = Sketch("TBF", open_axes="T")
    g.inputs = [g.info("x", ["T", 1, 1])]
    y = g.add("RNN", "x", np.float32([[[20.0]]]), np.float32([[[-0.1]]]), n=2, hidden_size=1, activations=["Softplus"])[0]
    return g.bytes(g.add("Tanh", g.add("MatMul", g.squeezed(y, 1), np.float32([[0.01]]))) if head else y)


@pytest.mark.parametrize("head", [False, True], ids=["seen", "hidden"])
def test_where_onnxruntime_overflows_float64_is_the_reference_and_mutants_are_not_proven(head: bool) -> None:
    data = overflowing(head)
    model = from_onnx(data)
    report = verify(model, data)
    assert report.proven, str(report)
    assert any("onnxruntime overflows, so that it differs from step" in remark for remark in report.remarks)
    for name in ("input_weights", "recurrent_weights", "bias"):
        wrong = rebuilt(model.layers[0], **{name: getattr(model.layers[0], name) + np.float32(0.1)})
        assert not verify(Model([wrong, *model.layers[1:]], sources=model.sources), data).proven, name


# What is not reached.


def test_a_weight_on_which_nothing_depends_is_named() -> None:
    """A dead relu, before and after what it multiplies."""
    g = Sketch("BF")
    dead = g.add("Relu", g.add("Add", g.add("MatMul", "x", g.draw(INPUTS, 4) * 1e-3), np.full(4, -1e4, np.float32)))
    data = g.bytes(g.add("Add", g.add("MatMul", dead, g.draw(4, 2)), g.draw(2)))
    report = verify(from_onnx(data), data, cases=BRIEF)
    assert report.proven
    assert report.unreached[:2] == ("weights of layer 0 (dense)", "weights of layer 1 (dense)")
    assert "'c2' of the graph, read by node 'my_MatMul1' (MatMul)" in report.unreached
    assert "other numbers would give the same in all that was compared: weights of layer 0 (dense)" in str(report)


def test_every_weight_of_a_usual_model_is_reached() -> None:
    data = graph(node("LSTM"), node("GRU", HIDDEN, name="second"))
    assert verify(from_onnx(data), data, cases=BRIEF).unreached == ()


def step_graph(r: np.ndarray | None = None) -> bytes:
    """An LSTM of one step without states in or out."""
    base = node("LSTM", batch=1).but("P", "initial_h", "initial_c")
    model = recurrent_model([base if r is None else base.but(R=r)], batch=1, n_steps=1)
    del model.graph.output[1:]
    return model.SerializeToString()  # type: ignore[no-any-return]


def test_a_graph_of_one_step_is_proven_as_it_streams() -> None:
    data, noise = step_graph(), step_graph(3 * np.random.default_rng(7).normal(size=(1, 4 * HIDDEN, HIDDEN)).astype(np.float32))
    anew, carried = from_onnx(data), from_onnx(data, states="carry")
    report = verify(from_onnx(noise), data)
    assert report.proven
    assert report.unreached == ("'R' of the graph, read by node 'my_lstm' (LSTM)",)
    assert verify(anew, data).unreached == report.unreached
    report = verify(carried, data)
    assert report.proven
    assert report.unreached == ()
    assert {comparison.case for comparison in report.comparisons} == {*(case.name for case in CASES), "states open"}
    report = verify(from_onnx(noise, states="carry"), data)
    assert {comparison.case for comparison in failed(report)} == {"states open"}


def test_states_that_no_copy_of_a_graph_can_be_given_are_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    data = step_graph()
    monkeypatch.setattr(verification, "opened", lambda imported, graph: None)
    with pytest.raises(VerificationError, match="no copy of it can be given states"):
        verify(from_onnx(data, states="carry"), data, cases=BRIEF)
