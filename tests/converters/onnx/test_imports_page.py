"""docs/imports.md tells of every operator that the importer has, and of no other; its reasons are those that are given."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="the graphs come from tests that compare with onnxruntime")

from streamrnn import ConversionError
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.onnx.importer import OPERATORS
from tests.converters.onnx import test_carried_values as carried
from tests.converters.onnx import test_from_onnx_branches as branches
from tests.converters.onnx import test_from_onnx_exports as exports
from tests.converters.onnx import test_from_onnx_layers as layers
from tests.converters.onnx import test_from_onnx_steps as steps
from tests.converters.onnx import test_time_maps as time_maps
from tests.converters.onnx.axes import test_inference as inference
from tests.converters.onnx.operators import test_refusals as refusals
from tests.converters.onnx.parse import test_dequantised as integers
from tests.converters.onnx.rewrite import test_loops as loops
from tests.converters.onnx.rewrite import test_one_step as one_step
from tests.converters.onnx.sketch import Sketch

PAGE = Path(__file__).parents[3] / "docs" / "imports.md"


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = PAGE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def reasons() -> list[str]:
    """The messages with which graphs of other tests are refused."""
    sources = [draw()[0] for draw in (refusals.REFUSALS | refusals.ONE_LINERS).values()]
    sources += [draw(Sketch()) for draw, _, _ in steps.REFUSED.values()]
    sources += [exports.path(name).read_bytes() for name in exports.REFUSED]
    for draw, _, _ in branches.REFUSED.values():
        g = Sketch()
        sources.append(g.bytes(draw(g, branches.behind(g))))
    sources.append(carried.plain("a", "b", first=[1, 3], second=[1, 3]))
    for draw, _, _ in layers.CANNOT.values():
        g = Sketch("BFT", open_axes="BT")
        sources.append(g.bytes(layers.behind(g, g.add("Transpose", draw(g), perm=[2, 0, 1]), 4)))
    for draw, _, _ in inference.REFUSED.values():
        g = inference.sketch(2, 7)
        sources.append(g.bytes(draw(g)))
    sources += [draw() for draw, _ in (loops.REFUSED | one_step.REFUSED).values()]
    sources.append((integers.FILES / "gru-qoperator.onnx").read_bytes())
    for draw, _ in integers.REFUSED.values():
        g = Sketch("BF", "B")
        sources.append(g.bytes(draw(g)))
    sources += time_maps.refused()
    found = []
    for source in [*sources, lengths()]:
        try:
            read_onnx(source)
        except ConversionError as refused:
            found.append(str(refused))
    return found


def lengths() -> bytes:
    """A GRU that is told how long its signals are."""
    g = Sketch()
    y = g.rnn("x", lengths=g.constant([3, 3]))[0]
    g.nodes[-1].input[4], g.nodes[-1].input[5:] = g.nodes[-1].input[5], []
    return g.bytes(y)


def test_the_page_has_every_operator_once() -> None:
    named = [name for cells in rows("Operators") for name in re.split(r", ", cells[0])]
    assert sorted(named) == sorted(name for name in OPERATORS if " " not in name)  # others are the importer's own


@pytest.mark.parametrize("exporter", ["script", "dynamo"])
def test_the_page_tells_of_every_export_of_torch_what_becomes_of_it(exporter: str) -> None:
    table = rows("What torch exports")
    for name in exports.IMPORTED | exports.REFUSED:
        case, _, own = name.rpartition(".")
        fitting = [cells for cells in table if any(fnmatch(case, pattern) for pattern in cells[1].split(", "))]
        assert len(fitting) == 1, name
        told = fitting[0][2 if exporter == "script" else 3]
        if own == exporter:
            assert "imports" in told if name in exports.IMPORTED else _reason(told) in exports.REFUSED[name][1], name


def _reason(told: str) -> str:
    """What a refusal says, without what the page says of it."""
    return told.partition("is refused: ")[2].partition(" (")[0] or "nothing"


def test_every_reason_on_the_page_is_one_that_is_given() -> None:
    given = reasons()
    for what, message, _ in rows("What is refused, and why"):
        assert any(message in reason for reason in given), what
