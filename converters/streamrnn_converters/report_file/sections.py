"""The sections of a report as HTML: each from the part of the proof that it shows."""

from collections.abc import Sequence
from html import escape

from streamrnn import Model
from streamrnn.layers import Layer
from streamrnn_converters.proof.horizon import Horizon
from streamrnn_converters.proof.layerwise import Layerwise
from streamrnn_converters.proof.report import Report
from streamrnn_converters.report_file.curve import curve
from streamrnn_converters.report_file.html import agreement, bullets, code, error, paragraph, section, table, wide


def outputs(report: Report) -> str:
    """Each comparison of an output with onnxruntime."""
    rows = []
    for c in report.comparisons:
        where = " ".join(f"{axis} {index}" for axis, index in c.place.items())
        values = [f"{c.ours:.7g}", f"{c.reference:.7g}"]
        rows.append(
            [code(c.output), c.case, error(c.absolute), error(c.relative), where, *values, agreement(c.first_disagreement)]
        )
    head = ["output", "signal", "absolute error", "relative error", "where", "streamrnn", "onnxruntime", ""]
    return section("Outputs", table(head, rows, {2, 3, 5, 6}))


def layers(found: Layerwise) -> str:
    """Each recurrent layer beside its node."""
    rows = [
        [f"{layer.layer} ({layer.kind})", code(layer.node), error(layer.absolute), agreement(layer.first_disagreement)]
        for layer in found.layers
    ]
    shown = table(["layer", "node", "absolute error", ""], rows, {2}) if rows else ""
    first = found.first
    if first is not None:
        shown += paragraph(f"Layer {first.layer} ({first.kind}) is the first that differs from its node.", "bad")
    return section("Layers beside their nodes", shown + bullets(found.remarks))


def long_signal(found: Horizon) -> str:
    """The error over a long signal, as a curve."""
    verdict = paragraph(found.verdict, "good" if found.agrees else "bad")
    return section("Over a long signal", f"{verdict}\n{wide(curve(found))}\n{bullets(found.remarks)}")


def model(found: Model) -> str:
    """The layers of a model."""
    rows = [
        [
            str(index),
            layer.kind,
            _sources(sources),
            str(layer.input_size),
            str(layer.output_size),
            f"{layer.n_parameters:,}",
            _states(layer),
        ]
        for index, (layer, sources) in enumerate(zip(found.layers, found.sources, strict=True))
    ]
    head = ["layer", "kind", "reads", "takes", "gives", "parameters", "state"]
    return section(f"The model: {found.n_parameters:,} parameters", table(head, rows, {3, 4, 5}))


def origin(source: str, producer: str, report: Report) -> str:
    """What was compared: the file, the model, the versions and the seed."""
    rows = [
        ["source", f"{code(source)}, SHA-256 {code(report.source_sha256)}"],
        ["made by", escape(producer or "not known")],
        ["model", code(report.model_fingerprint)],
        ["versions", escape(f"streamrnn {report.streamrnn}, onnxruntime {report.onnxruntime}")],
        ["seed", str(report.seed)],
    ]
    return section("What was compared", table(["", ""], rows))


def _sources(sources: Sequence[int]) -> str:
    return ", ".join("the input" if source == -1 else f"layer {source}" for source in sources)


def _states(layer: Layer) -> str:
    return ", ".join(f"{name} ({vector.size})" for name, vector in layer.states.items()) or "none"
