"""The picture of a horizon: in the format of its extension, with the same bytes each time, or one error."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streamrnn import MissingExtraError, StreamRNNError

pytest.importorskip("onnx", reason="needs the extra 'convert'")

from streamrnn_converters.proof.horizon import Horizon
from streamrnn_converters.report_file.horizon_picture import draw


@pytest.fixture
def found() -> Horizon:
    steps, largest = (1, 10, 100), (1e-7, 0.0, float("inf"))
    return Horizon("s", "m", "1.0", "0.1", 0, 1e-5, ("Y",), 100, steps, largest, (1e-7, 0.0, 1e-4), 1.0, 57, "Y")


@pytest.mark.parametrize(("suffix", "begin"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_the_picture_is_what_its_extension_says_and_always_the_same(
    found: Horizon, suffix: str, begin: bytes, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs the extra 'plot'")
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        draw(found, path, "vad")
    assert paths[0].read_bytes().startswith(begin)
    assert paths[0].read_bytes() == paths[1].read_bytes()


REFUSED: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None], type[StreamRNNError], str]] = {
    "another-format": ("a.pdf", lambda patch: None, StreamRNNError, "is a .png or an .svg"),
    "no-folder": ("none/a.png", lambda patch: None, StreamRNNError, "cannot be written"),
    "no-matplotlib": (
        "a.png",
        lambda patch: patch.setitem(__import__("sys").modules, "matplotlib", None),
        MissingExtraError,
        r"pip install 'streamrnn\[plot\]'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_picture_that_cannot_be_drawn_is_one_error(
    name: str, found: Horizon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, prepare, error, message = REFUSED[name]
    if name != "no-matplotlib":
        pytest.importorskip("matplotlib", reason="drawing needs the extra 'plot'")
    prepare(monkeypatch)
    with pytest.raises(error, match=message):
        draw(found, tmp_path / file)


def test_the_picture_takes_a_model_that_agrees_to_the_bit(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs the extra 'plot'")
    same = Horizon("s", "m", "1.0", "0.1", 0, 1e-5, ("Y",), 1, (1,), (0.0,), (0.0,), 0.0, None, None)
    draw(same, tmp_path / "a.png")
