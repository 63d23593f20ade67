"""The format of a file."""

from pathlib import Path

import pytest

from streamrnn.command.running.formats import FORMATS, FormatName, format_of


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
