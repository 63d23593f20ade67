"""A report holds all that was found, as JSON or as a page that loads nothing, with any names in it."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from streamrnn import RNN, Model, StreamRNNError

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")

from streamrnn_converters.proof.horizon import Horizon
from streamrnn_converters.proof.layerwise import LayerError, Layerwise
from streamrnn_converters.proof.report import Comparison, Report
from streamrnn_converters.report_file.full_report import FullReport, check_format

NASTY = "<script>alert('&\"')</script>"


@pytest.fixture
def full_report() -> FullReport:
    model = Model([RNN(np.ones((1, 2, 1)), np.ones((1, 2, 2)))], notes={"source": {"producer": NASTY}})
    agreeing = Comparison("Y", "normal", 1e-7, 1e-6, {"time": 3, "feature": 1}, 0.5, 0.5000001, None)
    differing = Comparison(NASTY, "loud", float("nan"), float("inf"), {"time": 0}, float("nan"), 0.5, 7)
    report = Report("source-hash", model.fingerprint, "1.0", "0.1", 0, 1e-5, (agreeing, differing), ("a remark of the proof",))
    layers = Layerwise(1e-5, 200, (LayerError(0, "rnn", NASTY, 0.25, 3),), ("a remark of the layers",))
    steps, largest, typical = (1, 2, 5, 10), (0.0, 1e-7, 1e-4, float("inf")), (0.0, 1e-7, 1e-5, 1e-3)
    horizon = Horizon("s", "m", "1.0", "0.1", 0, 1e-5, ("Y",), 10, steps, largest, typical, 1.5, 4, "Y", ("a remark of it",))
    return FullReport(model, NASTY, report, layers, horizon, ("a warning & more",), ("a remark of the import",))


class Page(HTMLParser):
    """The tags of a page, each of which must be closed, and its text."""

    EMPTY = ("meta", "line", "polyline", "circle")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.values: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [name for name, _ in attrs]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_in_itself_and_shows_all(full_report: FullReport, tmp_path: Path) -> None:
    full_report.write(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(page.tags)
    assert not {"src", "href"} & set(page.values)
    assert "http" not in text
    assert "url(" not in text
    expected = ["NOT proven: 1 of 2 comparisons differ", "a warning & more", "a remark of the proof", "a remark of the layers"]
    expected += [
        "a remark of it",
        "a remark of the import",
        "differs from step 7 on",
        "source-hash",
        "does NOT hold",
        "rnn",
        "agrees",
    ]
    expected += [
        "Layer 0 (rnn) is the first that differs from its node",
        NASTY,
        full_report.model.fingerprint,
        "tolerance 1e-05",
        "nan",
    ]
    for words in expected:
        assert words in page.text, words


def test_what_was_not_asked_is_not_on_the_page(full_report: FullReport, tmp_path: Path) -> None:
    report = replace(full_report.report, comparisons=full_report.report.comparisons[:1], remarks=())
    brief = FullReport(full_report.model, "vad.onnx", report)
    brief.write(tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "svg" not in page.tags
    assert "proven: all 1 comparisons agree, the largest error is 1.00e-07" in page.text
    for words in ("NOT", "Warnings", "Remarks", "Over a long signal", "Layers beside"):
        assert words not in page.text


def test_the_json_is_the_report_with_what_was_found_beside_it(full_report: FullReport, tmp_path: Path) -> None:
    full_report.write(tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert {key: found[key] for key in full_report.report.to_json()} == json.loads(json.dumps(full_report.report.to_json()))
    assert found["warnings"] == ["a warning & more"]
    assert found["import_remarks"] == ["a remark of the import"]
    assert found["layers"]["layers"][0]["absolute"] == 0.25
    assert found["horizon"]["first_disagreement"] == 4
    assert found["source"] == NASTY


def test_a_report_of_another_format_or_place_is_one_error_and_leaves_nothing(full_report: FullReport, tmp_path: Path) -> None:
    with pytest.raises(StreamRNNError, match=r"a\.pdf: a report is an \.html or a \.json"):
        check_format(Path("a.pdf"))
    with pytest.raises(StreamRNNError, match="cannot be written"):
        full_report.write(tmp_path / "none" / "a.html")
    (tmp_path / "a.html").mkdir()
    with pytest.raises(StreamRNNError, match="cannot be written"):
        full_report.write(tmp_path / "a.html")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
