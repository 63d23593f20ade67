"""Files that are no model, cut short, damaged, or read from a path."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from streamrnn import GRU, ConversionError, Dense, StreamRNNError
from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")


from streamrnn_converters import from_onnx
from tests.converters.onnx.sketch import (
    good_file,
    refusal,
)


@pytest.mark.parametrize("data", [b"", b"\0", b"garbage", b"PK\3\4" + bytes(100), bytes(range(256)) * 20], ids=range(5))
def test_what_is_no_model_is_refused(data: bytes) -> None:
    assert "not an ONNX model" in refusal(data)


def test_a_file_cut_short_anywhere_is_refused() -> None:
    data = good_file()
    from_onnx(data)
    # What stands at the end is the opset, without which no node means anything.
    for length in range(0, len(data), 7):
        assert refusal(data[:length])


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.onnx", tmp_path, str(tmp_path / "missing.onnx")):
        with pytest.raises(ConversionError, match="cannot be read"):
            from_onnx(path)


def test_a_model_is_read_from_a_path_a_name_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "good.onnx"
    path.write_bytes(good_file())
    models = [from_onnx(source) for source in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()))]
    assert len({model.fingerprint for model in models}) == 1
    gru, dense = models[0].layers
    assert isinstance(gru, GRU)
    assert isinstance(dense, Dense)


def mutant(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes changed, taken out, put in or repeated."""
    array = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        place, length = int(rng.integers(len(array))), int(rng.integers(1, 9))
        kind = rng.integers(4)
        if kind == 0:
            array[place] = rng.integers(256)
        elif kind == 1:
            array[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            del array[place : place + length]
        else:
            array[place:place] = rng.bytes(length)
    return bytes(array)


@pytest.mark.parametrize(
    "name", ["by-hand", "gru-2-layers-no-bias-last-open.dynamo", "lstm-2-layers-hidden-open.script", "gru-softmax.script"]
)
def test_a_damaged_file_imports_or_is_refused_by_an_error_of_ours(name: str) -> None:
    folder = Path(__file__).parents[2] / "fixtures" / "exports"
    data = good_file() if name == "by-hand" else (folder / f"{name}.onnx").read_bytes()
    rng = np.random.default_rng(11)
    n_refused = 0
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(150):
            try:
                from_onnx(mutant(data, rng))
            except StreamRNNError as error:
                n_refused += bool(str(error))
    assert not said
    assert 20 < n_refused < 150
