"""A full_report as a page of HTML: whole in itself, without scripts, and with nothing from elsewhere."""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from streamrnn.layers import Layer
from streamrnn_converters.report_file.curve import curve

if TYPE_CHECKING:
    from streamrnn_converters.report_file.full_report import FullReport

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --quiet: #66707c; --line: #dfe4ea; --paper: #ffffff;
        --good: #1d7a46; --bad: #b3372c; --warn: #8a5a00; --blue: #1f5fa8; --pale: #8fb8e0 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ef; --quiet: #98a3b0; --line: #36404c; --paper: #151b22;
          --good: #5fc98c; --bad: #f0837a; --warn: #e0b060; --blue: #7db3ee; --pale: #3f6c9c }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 66rem; margin: 2.5rem auto; padding: 0 1.25rem }
h1 { font-size: 1.5rem; margin: 0 0 .2rem }
h2 { font-size: 1.08rem; margin: 2.2rem 0 .6rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
th { font-weight: 600; color: var(--quiet); font-size: .87rem }
td.number, th.number { text-align: right }
code { font: .87em ui-monospace, monospace; overflow-wrap: anywhere }
ul { padding-left: 1.2rem }
svg { width: 100%; min-width: 36rem; height: auto }
.verdict { font-weight: 600 }
.good { color: var(--good) }
.bad { color: var(--bad) }
.warn { color: var(--warn) }
.quiet { color: var(--quiet) }
.wide { overflow-x: auto }
.wide td { white-space: nowrap }
"""


def page(full_report: "FullReport") -> str:
    """The page."""
    model, report = full_report.model, full_report.report
    title = f"{full_report.source}: {'proven' if full_report.proven else 'NOT proven'}"
    sections = [
        _verdict(full_report),
        _section("Warnings", _list(full_report.warnings, "warn")) if full_report.warnings else "",
        _section("Outputs", _outputs(full_report)),
        _section("Layers beside their nodes", _layerwise(full_report)) if full_report.layers is not None else "",
        _section("Over a long signal", _horizon(full_report)) if full_report.horizon is not None else "",
        _section(f"The model: {model.n_parameters:,} parameters", _model(full_report)),
        _section("Remarks", _list([*full_report.remarks, *report.remarks])) if full_report.remarks or report.remarks else "",
        _section("What was compared", _origin(full_report)),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(filter(None, sections))
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n'


def _verdict(full_report: "FullReport") -> str:
    report = full_report.report
    wrong = [c for c in report.comparisons if not c.agrees]
    if full_report.proven:
        told = f"proven: all {len(report.comparisons)} comparisons agree, the largest error is {_error(report.largest_error)}"
    elif wrong:
        told = f"NOT proven: {len(wrong)} of {len(report.comparisons)} comparisons differ, first in output {wrong[0].output!r}"
    else:
        told = f"NOT proven: {full_report.horizon.verdict if full_report.horizon else 'nothing was compared'}"
    rule = f"A value agrees where |streamrnn - onnxruntime| ≤ {report.tolerance:g} · max(1, |onnxruntime|)."
    return (
        f"<h1>{escape(full_report.source)}</h1>\n"
        f'<p class="verdict {"good" if full_report.proven else "bad"}">{escape(told)}</p>\n<p class="quiet">{escape(rule)}</p>'
    )


def _outputs(full_report: "FullReport") -> str:
    rows = []
    for c in full_report.report.comparisons:
        place = " ".join(f"{axis} {index}" for axis, index in c.place.items())
        since = "agrees" if c.agrees else f"differs from step {c.first_disagreement} on"
        verdict = f'<span class="{"good" if c.agrees else "bad"}">{since}</span>'
        numbers = [_error(c.absolute), _error(c.relative)]
        rows.append([_code(c.output), c.case, *numbers, place, f"{c.ours:.7g}", f"{c.reference:.7g}", verdict])
    head = ["output", "signal", "absolute error", "relative error", "where", "streamrnn", "onnxruntime", ""]
    return _table(head, rows, {2, 3, 5, 6})


def _layerwise(full_report: "FullReport") -> str:
    assert full_report.layers is not None
    rows = []
    for found in full_report.layers.layers:
        agrees = found.first_disagreement is None
        told = "agrees" if agrees else f"differs from step {found.first_disagreement} on"
        rows.append(
            [
                f"{found.layer} ({found.kind})",
                _code(found.node),
                _error(found.absolute),
                f'<span class="{"good" if agrees else "bad"}">{told}</span>',
            ]
        )
    first = full_report.layers.first
    told = (
        ""
        if first is None
        else f'<p class="bad">Layer {first.layer} ({first.kind}) is the first that differs from its node.</p>'
    )
    table = _table(["layer", "node", "absolute error", ""], rows, {2}) if rows else ""
    return table + told + (_list(full_report.layers.remarks) if full_report.layers.remarks else "")


def _horizon(full_report: "FullReport") -> str:
    found = full_report.horizon
    assert found is not None
    remarks = _list(found.remarks) if found.remarks else ""
    verdict = f'<p class="{"good" if found.agrees else "bad"}">{escape(found.verdict)}</p>'
    return f'{verdict}\n<div class="wide">{curve(found)}</div>\n{remarks}'


def _model(full_report: "FullReport") -> str:
    model = full_report.model
    rows = [
        [
            str(index),
            layer.kind,
            _reads(reads),
            str(layer.input_size),
            str(layer.output_size),
            f"{layer.n_parameters:,}",
            _state(layer),
        ]
        for index, (layer, reads) in enumerate(zip(model.layers, model.sources, strict=True))
    ]
    return _table(["layer", "kind", "reads", "takes", "gives", "parameters", "state"], rows, {3, 4, 5})


def _origin(full_report: "FullReport") -> str:
    report, source = full_report.report, full_report.model.notes.get("source", {})
    rows = [
        ["source", f"{_code(full_report.source)}, SHA-256 {_code(report.source_sha256)}"],
        ["made by", escape(str(source.get("producer", "")) or "not told")],
        ["model", _code(report.model_fingerprint)],
        ["versions", escape(f"streamrnn {report.streamrnn}, onnxruntime {report.onnxruntime}")],
        ["seed", str(report.seed)],
    ]
    return _table(["", ""], rows, set())


def _reads(reads: Sequence[int]) -> str:
    return ", ".join("the input" if place == -1 else f"layer {place}" for place in reads)


def _state(layer: Layer) -> str:
    return ", ".join(f"{name} ({vector.size})" for name, vector in layer.states.items()) or "none"


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{content}"


def _list(items: Iterable[str], kind: str = "") -> str:
    return "<ul>" + "".join(f'<li class="{kind}">{escape(item)}</li>' for item in items) + "</ul>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: set[int]) -> str:
    """A table of cells that are HTML; one without a head breaks its lines, another is moved sideways where it is too wide."""
    kinds = [' class="number"' if place in numbers else "" for place in range(len(head))]
    lines = ["".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, row, strict=True)) for row in rows]
    titles = "".join(f"<th{kind}>{escape(title)}</th>" for kind, title in zip(kinds, head, strict=True)) if any(head) else ""
    head_row = f"<tr>{titles}</tr>" if titles else ""
    table = f"<table>{head_row}{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
    return f'<div class="wide">{table}</div>' if titles else table


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _error(value: float) -> str:
    return f"{value:.2e}" if math.isfinite(value) else str(value)
