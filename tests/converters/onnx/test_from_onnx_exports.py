"""Files that torch's two exporters wrote: which import, as what; which do not, and why; and that all that import are right.

"<case>.script" is written by the older exporter (dynamo=False), "<case>.dynamo" by the newer one. How the files came about, and
the answers that torch itself gives, stand in fixtures/make_torch_exports.py.
"""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import ConversionError, Model, Stream
from streamrnn.audio import OutputRows
from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")

from streamrnn_converters import from_onnx, verify
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.proof.verification import Case

FIXTURES = Path(__file__).parents[1] / "fixtures"
TOLERANCE = {"float32": 5e-6, "float64": 1e-14}

SMOOTH = (
    "gru pointwise(gelu_tanh) dense(linear) pointwise(softplus) pointwise(tanh) arithmetic dense(elu) affine "
    "pointwise(elu(1)) affine pointwise(silu(1))"
)

#: What becomes of a file: the layers of its model, in their order, with their activations.
IMPORTED = {
    "dense-lstm-dense-dense.dynamo": "dense(relu) lstm dense(tanh) dense(linear)",
    "dense-lstm-dense-dense.script": "dense(relu) lstm dense(tanh) dense(linear)",
    "gru-2-layers-hidden.dynamo": "gru gru dense(tanh)",
    "gru-2-layers-hidden.script": "gru gru dense(tanh)",
    "gru-2-layers-no-bias-last-open.dynamo": "gru gru dense(tanh)",
    "gru-2-layers-no-bias-last-open.script": "gru gru dense(tanh)",
    "gru-2-layers-step.dynamo": "gru gru dense(linear)",
    "gru-2-layers-step.script": "gru gru dense(linear)",
    "gru-2-layers-time-first-states-open.dynamo": "gru gru",
    "gru-2-layers-time-first-states-open.script": "gru gru",
    "gru-all-open.dynamo": "gru dense(tanh)",
    "gru-all-open.script": "gru dense(tanh)",
    "gru-batch-first-step.dynamo": "gru gru",
    "gru-batch-first-step.script": "gru gru",
    "gru-cells-unrolled.dynamo": "gru",
    "gru-cells-unrolled.script": "gru",
    "gru-concat.dynamo": "gru concat gru",
    "gru-concat.script": "gru concat gru",
    "gru-convolution-centred.dynamo": "select arithmetic frame select conv1d where affine concat select gru",
    "gru-convolution-centred.script": "select arithmetic frame select conv1d where affine concat select gru",
    "gru-convolution-chomped.dynamo": "conv1d gru",
    "gru-convolution-chomped.script": "conv1d gru",
    "gru-convolution-dilated.dynamo": "conv1d pointwise(relu) gru",
    "gru-convolution-dilated.script": "conv1d pointwise(relu) gru",
    "gru-convolution-valid.dynamo": "select arithmetic frame select conv1d where affine concat select gru",
    "gru-convolution-valid.script": "select arithmetic frame select conv1d where affine concat select gru",
    "gru-convolution.dynamo": "conv1d gru",
    "gru-convolution.script": "conv1d gru",
    "gru-double.dynamo": "gru",
    "gru-double.script": "gru",
    "gru-elu.script": "gru dense(elu)",
    "gru-gated.dynamo": "gru dense(linear) dense(sigmoid) arithmetic",
    "gru-gated.script": "gru dense(linear) dense(sigmoid) arithmetic",
    "gru-half-within.dynamo": "gru",
    "gru-half-within.script": "gru",
    "gru-half.dynamo": "gru",
    "gru-half.script": "gru",
    "gru-hardsigmoid.dynamo": "gru dense(hard_sigmoid)",
    "gru-hardsigmoid.script": "gru dense(hard_sigmoid)",
    "gru-hardswish.dynamo": "gru pointwise(hard_sigmoid(0.166667, 0.5)) arithmetic dense(clip)",
    "gru-hardswish.script": "gru pointwise(hard_sigmoid(0.166667, 0.5)) arithmetic dense(clip)",
    "gru-heads.dynamo": "gru dense(tanh) dense(linear) concat",
    "gru-heads.script": "gru dense(tanh) dense(linear) concat",
    "gru-leaky-relu.script": "gru dense(leaky_relu)",
    "gru-no-bias-states.dynamo": "gru",
    "gru-no-bias-states.script": "gru",
    "gru-relu.script": "gru dense(relu)",
    "gru-sigmoid.script": "gru dense(sigmoid)",
    "gru-softmax.dynamo": "gru dense(softmax)",
    "gru-softmax.script": "gru dense(softmax)",
    "gru-gelu.dynamo": "gru dense(gelu)",
    "gru-gelu.script": "gru dense(gelu)",
    "gru-smooth.dynamo": SMOOTH,
    "gru-smooth.script": SMOOTH,
    # Above its threshold of 20 torch's softplus is x; in float64 that is another number.
    "gru-softplus-double.dynamo": "gru dense(linear) select arithmetic pointwise(softplus) where",
    "gru-softplus-double.script": "gru dense(softplus)",
    "gru-softplus-scaled.dynamo": "gru dense(softplus) affine",
    "gru-softplus-scaled.script": "gru dense(softplus) affine",
    "gru-softplus.dynamo": "gru dense(softplus)",
    "gru-softplus.script": "gru dense(softplus)",
    "gru-softsign.dynamo": "gru dense(linear) pointwise(absolute) affine arithmetic",
    "gru-softsign.script": "gru dense(linear) pointwise(absolute) affine arithmetic",
    "gru-split.dynamo": (
        "gru dense(linear) select select pointwise(absolute) affine pointwise(exp) affine arithmetic arithmetic"
    ),
    "gru-split.script": (
        "gru dense(linear) select select pointwise(absolute) affine pointwise(exp) affine arithmetic arithmetic"
    ),
    "gru-time-first-hidden-open.dynamo": "gru dense(tanh)",
    "gru-time-first-hidden-open.script": "gru dense(tanh)",
    "gru-time-first-no-bias-last.dynamo": "gru dense(tanh)",
    "gru-time-first-no-bias-last.script": "gru dense(tanh)",
    "gru-two-inputs.dynamo": "select select concat gru",
    "gru-two-inputs.script": "select select concat gru",
    "gru-unbatched-open.dynamo": "gru gru",
    "gru-unbatched-open.script": "gru gru",
    "lstm-2-layers-hidden-open.dynamo": "lstm lstm dense(tanh)",
    "lstm-2-layers-hidden-open.script": "lstm lstm dense(tanh)",
    "lstm-2-layers-no-bias-last.dynamo": "lstm lstm dense(tanh)",
    "lstm-2-layers-no-bias-last.script": "lstm lstm dense(tanh)",
    "lstm-2-layers-step.dynamo": "lstm lstm",
    "lstm-2-layers-step.script": "lstm lstm",
    "lstm-2-layers-time-first-states.dynamo": "lstm lstm",
    "lstm-2-layers-time-first-states.script": "lstm lstm",
    "lstm-all.dynamo": "lstm dense(tanh)",
    "lstm-all.script": "lstm dense(tanh)",
    "lstm-bare.dynamo": "lstm",
    "lstm-bare.script": "lstm",
    "lstm-carries-states-open.script": "lstm dense(linear)",
    "lstm-carries-states.dynamo": "lstm",
    "lstm-carries-states.script": "lstm",
    "lstm-double-step.dynamo": "lstm dense(linear)",
    "lstm-double-step.script": "lstm dense(linear)",
    "lstm-embedding.dynamo": "embedding lstm",
    "lstm-embedding.script": "embedding lstm",
    "lstm-gru-mixed-open.dynamo": "lstm gru dense(linear)",  # with a fixed number of steps
    "lstm-gru-mixed-open.script": "lstm gru dense(linear)",
    "lstm-layer-norm.dynamo": "lstm layernorm dense(linear)",
    "lstm-layer-norm.script": "lstm layernorm dense(linear)",
    "lstm-learned-initial-states-open.dynamo": "lstm",
    "lstm-learned-initial-states-open.script": "lstm",
    "lstm-learned-initial-states.dynamo": "lstm",
    "lstm-learned-initial-states.script": "lstm",
    "lstm-no-bias-states-open.dynamo": "lstm",
    "lstm-no-bias-states-open.script": "lstm",
    "lstm-packed-step.dynamo": "lstm lstm dense(sigmoid)",
    "lstm-packed-step.script": "lstm lstm dense(sigmoid)",
    "lstm-relu-gru.dynamo": "lstm pointwise(relu) gru",
    "lstm-relu-gru.script": "lstm pointwise(relu) gru",
    "lstm-residual.dynamo": "lstm dense(linear) arithmetic",
    "lstm-residual.script": "lstm dense(linear) arithmetic",
    "lstm-stacked-step.dynamo": "lstm",
    "lstm-stacked-step.script": "lstm",
    "lstm-step.dynamo": "lstm dense(linear)",
    "lstm-step.script": "lstm dense(linear)",
    "lstm-time-first-hidden.dynamo": "lstm dense(tanh)",
    "lstm-time-first-hidden.script": "lstm dense(tanh)",
    "lstm-time-first-no-bias-last-open.dynamo": "lstm dense(tanh)",
    "lstm-time-first-no-bias-last-open.script": "lstm dense(tanh)",
    "lstm-unbatched.dynamo": "lstm dense(linear)",
    "lstm-unbatched.script": "lstm dense(linear)",
    "rnn-2-layers-time-first-last.dynamo": "rnn rnn dense(tanh)",
    "rnn-2-layers-time-first-last.script": "rnn rnn dense(tanh)",
    "rnn-2-layers-time-first-no-bias-all-open.dynamo": "rnn rnn dense(tanh)",
    "rnn-2-layers-time-first-no-bias-all-open.script": "rnn rnn dense(tanh)",
    "rnn-no-bias-hidden-open.dynamo": "rnn dense(tanh)",
    "rnn-no-bias-hidden-open.script": "rnn dense(tanh)",
    "rnn-relu.dynamo": "rnn",
    "rnn-relu.script": "rnn",
    "rnn-step.dynamo": "rnn",
    "rnn-step.script": "rnn",
    "rnn-time-first-no-bias-states.dynamo": "rnn",
    "rnn-time-first-no-bias-states.script": "rnn",
}

BOTH_WAYS = "direction='bidirectional' cannot be streamed, the backward pass needs the end of the signal"
#: Who refuses, by name, and why.
REFUSED = {
    "lstm-bidirectional.dynamo": ("node 'node_lstm__2' (LSTM)", BOTH_WAYS),
    "lstm-bidirectional.script": ("node '/module/LSTM' (LSTM)", BOTH_WAYS),
    # The exporter writes what is no LSTM of ONNX: its states are of two sizes.
    "lstm-projected.dynamo": ("node 'node_lstm__2' (LSTM)", "its input initial_c has shape (1, 2, 5), expected (1, 2, 2)"),
    "lstm-softmax-over-time.dynamo": ("node 'node_softmax' (Softmax)", "axis=1 is not the feature axis alone"),
    "lstm-softmax-over-time.script": ("node '/2/Softmax' (Softmax)", "axis=1 is not the feature axis alone"),
    "lstm-swapped-step.dynamo": ("graph input 'h'", "come out of graph output 'cat' in another order or shape"),
    "lstm-swapped-step.script": ("graph input 'h'", "come out of graph output '94' in another order or shape"),
}

BRIEF = (Case("quiet", 0.01, 20), Case("normal", 1.0, 20), Case("loud", 10.0, 20))


@pytest.fixture(scope="module")
def answers() -> dict[str, NDArray[Any]]:
    """What torch gives: "<case>/y", (n_steps, n_signals, n_outputs), and final states, (n_layers, n_signals, H).

    For the signal "x", or "<case>/x".
    """
    with np.load(FIXTURES / "exports.npz") as archive:
        return dict(archive)


def path(name: str) -> Path:
    return FIXTURES / "exports" / f"{name}.onnx"


def layers(model: Model) -> str:
    """The layers in words."""
    said = {"dense": lambda layer: f"({layer.activation.name})", "pointwise": lambda layer: f"({layer.activation})"}
    return " ".join(layer.kind + said.get(layer.kind, lambda _: "")(layer) for layer in model.layers)


def largest_error(model: Model, x: NDArray[Any], y: NDArray[Any], ends: dict[str, NDArray[Any]], n_steps: int = 0) -> float:
    """Of streams over x, half of it step by step, against the answers after every step and the states in the end.

    n_steps  of x, where the graph gives fewer answers
    """
    errors, late = [], OutputRows.of(model).delay
    for signal in range(y.shape[1]):
        mine = x[: max(n_steps, len(y)), signal]
        half = len(mine) // 2
        stream = Stream(model)
        ours = np.concatenate([[stream.step(row) for row in mine[:half]], stream.process(mine[half:])])
        answered = y[: len(ours) - late, signal]
        assert ours[late:].shape == answered.shape
        errors.append(np.abs(ours[late:] - answered).max())
        for name, end in ends.items():
            errors += [np.abs(stream.states[layer][name] - end[layer, signal]).max() for layer in range(len(end))]
    return float(max(errors))


def test_the_tables_tell_of_every_file() -> None:
    assert sorted(IMPORTED | REFUSED) == sorted(file.stem for file in (FIXTURES / "exports").iterdir())
    assert not set(IMPORTED) & set(REFUSED)


@pytest.mark.parametrize("name", IMPORTED)
def test_an_export_streams_what_torch_computes(name: str, answers: dict[str, NDArray[Any]]) -> None:
    imported = read_onnx(path(name))
    model, n_steps = imported.model, imported.size_of("time") or 0
    assert layers(model) == IMPORTED[name]
    case = name.rpartition(".")[0]
    ends = {key: answers[f"{case}/{key}"] for key in "hc" if f"{case}/{key}" in answers}
    error = largest_error(model, answers.get(f"{case}/x", answers["x"]), answers[f"{case}/y"], ends, n_steps)
    assert error <= TOLERANCE[str(model.dtype)]


@pytest.mark.parametrize("name", IMPORTED)
def test_an_export_is_proven_by_onnxruntime(name: str) -> None:
    imported = read_onnx(path(name))
    report = verify(imported.model, path(name), cases=BRIEF)
    assert report.proven, str(report)
    assert report.largest_error <= TOLERANCE["float32"], str(report)
    compared = [each.output for each in report.comparisons if each.case in {case.name for case in BRIEF}]
    assert sorted(compared) == sorted([output.name for output in imported.outputs] * len(BRIEF))


@pytest.mark.parametrize("name", [name for name in IMPORTED if "double" in name])
def test_a_graph_in_double_becomes_a_model_in_float64_and_is_compared_as_a_copy_in_float32(name: str) -> None:
    imported = read_onnx(path(name))
    assert imported.model.dtype == np.float64
    report = verify(imported.model, path(name), cases=BRIEF)
    assert "a copy of the graph in float32, in place of float64: it tells seven digits" in " ".join(report.remarks)


@pytest.mark.parametrize("name", [name for name in IMPORTED if "half" in name])
def test_a_graph_in_half_is_streamed_without_its_rounding_and_a_remark_tells(
    name: str, answers: dict[str, NDArray[Any]]
) -> None:
    imported = read_onnx(path(name))
    assert any("a stream computes in float32 throughout" in remark for remark in imported.remarks)
    rounded = answers[f"{name.rpartition('.')[0]}/rounded"]
    assert 1e-5 < largest_error(imported.model, answers["x"], rounded, {}) < 2e-3


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_streamed_is_refused_by_node_and_reason(name: str) -> None:
    who, why = REFUSED[name]
    with pytest.raises(ConversionError) as refusal:
        from_onnx(path(name))
    assert str(refusal.value).startswith(f"{who}: ")
    assert why in str(refusal.value)


@pytest.mark.parametrize("name", ["gru-time-first-no-bias-last.script", "lstm-2-layers-hidden-open.dynamo"])
def test_that_a_stream_answers_more_often_than_the_graph_is_said(name: str) -> None:
    (remark,) = read_onnx(path(name)).remarks
    assert remark == "the graph gives the answer after the last step only; the stream gives that answer after every step"


def test_where_a_model_comes_from_is_kept() -> None:
    source = from_onnx(path("lstm-all.dynamo")).notes["source"]
    assert source["format"] == "onnx"
    assert source["producer"].startswith("pytorch 2.")
    assert source["opset"] >= 18


# What the installed torch writes, which may be newer or older than the one that wrote the files.

HAS_TORCH = find_spec("torch") is not None
HAS_ONNXSCRIPT = find_spec("onnxscript") is not None
KINDS = ["lstm", "gru", "rnn"]
HEADS = ["all", "last", "hidden", "states"]


@pytest.fixture(scope="module")
def torch_exports() -> Iterator[Any]:
    """The script that makes the files; no word from torch on what it will not do one day."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch

        from tests.converters.fixtures import make_torch_exports

        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)  # such small models gain nothing by more, and lose much on a busy machine
        yield make_torch_exports
        torch.set_num_threads(n_threads)


def assert_exports_stream(exports: Any, case: Any, seed: int) -> None:
    module, x = exports.built(case, seed), exports.signal(case)
    data = exports.exported(case, module)
    model = from_onnx(data)
    y, ends = exports.answers(case, module, x)
    assert largest_error(model, x, y, dict(zip("hc", ends, strict=False))) <= TOLERANCE["float32"]


@pytest.mark.few(6)
@pytest.mark.skipif(not HAS_TORCH, reason="exports with torch, which is not installed")
@pytest.mark.parametrize("open_axes", [False, True], ids=["fixed", "open"])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_older_exporter_writes_streams_in_every_combination(
    kind: str, head: str, open_axes: bool, torch_exports: Any
) -> None:
    cases = {
        name: case
        for name, case in torch_exports.every_combination().items()
        if name.startswith(kind) and head in name.split("-") and case.open_axes == open_axes
    }
    assert len(cases) == 8
    for seed, case in enumerate(cases.values()):
        assert_exports_stream(torch_exports, case, seed)


@pytest.mark.few(2)
@pytest.mark.skipif(not HAS_TORCH, reason="exports with torch, which is not installed")
@pytest.mark.skipif(not HAS_ONNXSCRIPT, reason="torch's newer exporter needs onnxscript, which is not installed")
@pytest.mark.parametrize(
    "name",
    [
        "gru-2-layers-time-first-no-bias-all",
        "gru-last",
        "gru-no-bias-hidden",
        "lstm-2-layers-all-open",
        "lstm-2-layers-time-first-no-bias-states-open",
        "lstm-hidden-open",
    ],
)
def test_what_the_newer_exporter_writes_streams(name: str, torch_exports: Any) -> None:
    assert_exports_stream(torch_exports, replace(torch_exports.every_combination()[name], dynamo=True), seed=5)
