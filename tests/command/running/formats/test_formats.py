"""The format of a file."""

from pathlib import Path

import numpy as np
import pytest

from streamrnn import Dense, InputError, Model
from streamrnn.command.running.formats import FORMATS, FormatName, check_writable, format_of, max_row_bytes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "csv"),
        ("a.CSV", "csv"),
        ("a.jsonl", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.f32", "f32"),
        ("a.csv.gz", "csv"),
        ("a.JSONL.XZ", "jsonl"),
        ("a.gz", "f32"),
        ("a.txt", "f32"),
        ("-", "f32"),
    ],
)
def test_the_extension_names_the_format_if_it_names_one(name: str, expected: str) -> None:
    assert format_of(Path(name), FormatName.F32) == expected


def test_every_format_that_can_be_named_exists() -> None:
    assert FORMATS.keys() == set(FormatName)


@pytest.mark.parametrize("name", ["a.json", "a.csv.gz", "a.npy", "a.XLSX"])
def test_an_output_with_the_extension_of_another_format_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"^{name}: .* --output-format"):
        check_writable(Path(name))


@pytest.mark.parametrize("name", ["-", "a", "a.csv", "a.txt", "a.f32", "a.jsonl", "/dev/null"])
def test_other_outputs_are_written(name: str) -> None:
    check_writable(Path(name))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_no_row_of_outputs_is_longer_than_is_said(name: str, dtype: str) -> None:
    bits = np.random.default_rng(1).integers(0, 256, 64_000, np.uint8).view(dtype)
    smallest = float(np.finfo(dtype).smallest_normal)
    values = np.concatenate([bits[np.isfinite(bits)], np.array([-smallest] * 3, dtype)])
    model = Model([Dense(np.zeros((3, 1), dtype), dtype=dtype)])
    lengths = [len(FORMATS[FormatName(name)].encode(values[None, at : at + 3])) for at in range(len(values) - 2)]
    assert max(lengths) <= max_row_bytes(model)
    assert max(lengths) >= max_row_bytes(model) - 3 * len(", ")
