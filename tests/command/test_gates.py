"""`streamrnn gates`: numbers, a page, a picture and arrays of a model on a signal."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from streamrnn import RNN, Model, load, record_gates
from streamrnn.command.running.formats import wav
from streamrnn.recording.figures import moves_with
from tests.command.pictures import legend_covers_nothing
from tests.command.process import Command

#: The data of a page.
DATA = re.compile(r'<script id="data" type="application/json">(.*?)</script>', re.DOTALL)


@pytest.fixture
def source(archive: Path, tmp_path: Path) -> Path:
    rows = np.random.default_rng(0).normal(size=(3000, load(archive).input_size)).astype(np.float32)
    path = tmp_path / "in.csv"
    path.write_text("".join(",".join(map(repr, row)) + "\n" for row in rows.tolist()))
    return path


def test_numbers_are_those_of_the_trace_as_text_and_as_json(command: Command, archive: Path, source: Path) -> None:
    text, ended = command("gates", archive, source), command("gates", archive, source, "--json")
    assert [(each.code, each.err) for each in (text, ended)] == [(0, ""), (0, "")]
    found = json.loads(ended.out)
    signal = np.loadtxt(source, delimiter=",", dtype=np.float32)
    trace = record_gates(load(archive), signal)
    (figures, *_), (correlations, *_) = trace.figures, trace.correlations(signal)
    assert figures is not None
    expected = {gate: values.tolist() for gate, values in correlations.items()}
    assert found["layers"] == [{"layer": 0, "kind": "gru", **figures.to_json(), "correlations": expected}]
    assert found["steps"] == 3000
    names = [f"input {number}" for number in range(1, signal.shape[1] + 1)]
    for name, value in (*figures.lines(), *moves_with(correlations, names)):
        assert name in text.out
        assert value in text.out


def test_a_page_holds_every_gate_and_loads_nothing(command: Command, archive: Path, source: Path, tmp_path: Path) -> None:
    assert command("gates", archive, source, "-o", tmp_path / "g.html").code == 0
    page = (tmp_path / "g.html").read_text()
    assert not re.search(r"(src|href)=|https?://|@import|url\(", page)
    data = json.loads(DATA.search(page)[1])  # type: ignore[index]
    assert [gate["name"] for gate in data["layers"][0]["gates"]] == ["r", "z", "n", "h"]
    assert (data["steps"], data["columns"], data["steps_per_column"]) == (3000, 1500, 2)
    assert sorted(data["layers"][0]["order"]) == list(range(8))


def test_of_a_wav_time_is_told_in_seconds(command: Command, tmp_path: Path) -> None:
    one = Model([RNN(np.ones((1, 1, 2)), np.zeros((1, 1, 1)))])
    archive, source, target = tmp_path / "m.safetensors", tmp_path / "in.wav", tmp_path / "g.html"
    one.save(archive)
    source.write_bytes(wav.header(8000, 2, 4 * 16_000) + np.zeros((2000, 2), "<f4").tobytes())
    assert command("gates", archive, source, "-o", target).code == 0
    assert json.loads(DATA.search(target.read_text())[1])["steps_per_second"] == 8000  # type: ignore[index]
    pytest.importorskip("matplotlib", reason="drawing needs the extra 'plot'")
    assert command("gates", archive, source, "-o", tmp_path / "g.svg").code == 0
    assert "<!-- seconds; units" in (tmp_path / "g.svg").read_text()


def test_arrays_and_pictures_are_written_by_the_extension(
    command: Command, archive: Path, source: Path, tmp_path: Path
) -> None:
    assert command("gates", archive, source, "-o", tmp_path / "g.npz").code == 0
    with np.load(tmp_path / "g.npz") as arrays:
        assert arrays["0.z"].shape == (3000, 8)
    pytest.importorskip("matplotlib", reason="drawing needs the extra 'plot'")
    assert command("gates", archive, source, "-o", tmp_path / "g.png").code == 0
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("n_inputs", [2, 12])
def test_a_picture_names_the_inputs_where_the_names_cover_nothing(n_inputs: int, command: Command, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs the extra 'plot'")
    names = [f"input-{index}" for index in range(n_inputs)]
    Model([RNN(np.ones((1, 2, n_inputs)), np.zeros((1, 2, 2)))]).save(tmp_path / "m.safetensors")
    rows = np.random.default_rng(0).normal(size=(50, n_inputs))
    np.savetxt(tmp_path / "in.csv", rows, delimiter=",", header=",".join(names), comments="")
    assert (
        command(
            "gates", tmp_path / "m.safetensors", tmp_path / "in.csv", "--columns", ",".join(names), "-o", tmp_path / "g.svg"
        ).code
        == 0
    )
    drawn = (tmp_path / "g.svg").read_text()
    assert re.findall(r"<!-- (input-\d+) -->", drawn) == names
    assert legend_covers_nothing(drawn)


def test_what_cannot_be_shown_is_an_error_that_says_where(
    command: Command, archive: Path, source: Path, tmp_path: Path
) -> None:
    assert command("gates", archive, source, "-o", tmp_path / "g.pdf").code == 2
    (tmp_path / "bad.csv").write_text("1,2\n1,oops\n")
    bad = command("gates", archive, tmp_path / "bad.csv")
    assert (bad.code, bad.err.startswith("error: line 2: ")) == (1, True)
    (tmp_path / "empty.csv").write_text("")
    assert command("gates", archive, tmp_path / "empty.csv").err == f"error: {tmp_path / 'empty.csv'}: has no rows\n"
    assert command("gates", archive, tmp_path / "none.csv").code == 1


def test_the_options_of_csv_that_messages_name_are_there(command: Command, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("n1;n2\n0,5;1\n1,5;0,25\n0,1;0\n")
    told = command("gates", archive, tmp_path / "in.csv", "--header", "--decimal-comma")
    (tmp_path / "plain.csv").write_text("0.5,1\n1.5,0.25\n0.1,0\n")
    assert (told.code, told.out) == (0, command("gates", archive, tmp_path / "plain.csv").out)
    assert command("gates", archive, tmp_path / "in.jsonl", "--header").code == 2


def test_a_header_must_have_the_names_of_the_inputs(command: Command, archive: Path, tmp_path: Path) -> None:
    model, names = load(archive), ["load", "temp"]
    notes = {**model.notes, "source": {"inputs": [[name, 1] for name in names]}}
    Model(model.layers, sources=model.sources, notes=notes).save(tmp_path / "named.safetensors")
    for header, code in (("load,temp", 0), ("temp,load", 1)):
        (tmp_path / "in.csv").write_text(header + "\n1,2\n3,5\n2,2\n")
        ended = command("gates", tmp_path / "named.safetensors", tmp_path / "in.csv")
        assert ended.code == code
        assert ("but the inputs of the model are load, temp" in ended.err) == bool(code)
        assert ("n moves with" in ended.out and "load (" in ended.out) != bool(code)
