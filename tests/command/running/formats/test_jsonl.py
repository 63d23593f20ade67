"""jsonl: an array on each line, or a number if the model takes one value."""

import json

import numpy as np
import pytest

from streamrnn.command.running.formats import Columns, Row
from streamrnn.command.running.formats.csv import CsvReader
from streamrnn.command.running.formats.jsonl import JsonlReader, encode
from streamrnn.errors import InputError


def rows(text: bytes, size: int = 2, columns: Columns | None = None) -> list[Row]:
    reader = JsonlReader(size, columns or Columns())
    return [*reader.feed(text), *reader.finish()]


def test_an_array_of_numbers_is_a_row() -> None:
    assert rows(b"[0.5, -2e-3]\r\n\n [1,2] ") == [Row("line 1", [0.5, -0.002]), Row("line 3", [1, 2])]


def test_a_number_is_a_row_of_a_model_that_takes_one() -> None:
    assert rows(b"0.5\n[3]\n", size=1) == [Row("line 1", [0.5]), Row("line 2", [3])]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"[1]", "1 value, but the model takes 2"),
        (b"[1, 2, 3]", "3 values, but the model takes 2"),
        (b"1", "'1' is not an array of 2 numbers"),
        (b'{"x": [1, 2]}', "is not an array of 2 numbers"),
        (b"null", "'null' is not an array of 2 numbers"),
        (b'[1, "2"]', """value 2 is '"2"', which is not a number"""),
        (b"[1, true]", "value 2 is 'true', which is not a number"),
        (b"[1, null]", "value 2 is 'null', which is not a number"),
        (b"[[1, 2], 3]", "value 1 is '[1, 2]', which is not a number"),
        (b"[1, NaN]", "value 2 is nan, which is not a finite float32 number"),
        (b"[-Infinity, 1]", "value 1 is -inf"),
        (b"[1, 1e39]", "value 2 is 1e+39"),
        (b"[1, 1" + b"0" * 400 + b"]", "value 2 is 1000000"),
        (b"[1, 1" + b"0" * 5000 + b"]", "is not JSON"),
        (b"[1, 2", "'[1, 2' is not JSON"),
        (b"[1, 2] 3", "is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        ("[1, 2]".encode("utf-16-le"), "is not JSON"),
        ("[1, 2]".encode("utf-16-be"), "is not JSON"),
        ("[1, 2]".encode("utf-32-le"), "is not JSON"),
        (b'{"x": 1, "y": 2, "x": 1}', "member 'x' occurs 2 times"),
        (b'{"id": 1, "x": {"y": 2, "y": 3}}', "member 'y' occurs 2 times"),
        (b"[" * 100_000, "is not JSON"),
        (b"x,y", "'x,y' is not JSON"),
    ],
)
def test_anything_else_is_an_error_that_says_what(line: bytes, error: str) -> None:
    ((location, values, found, *_),) = rows(line + b"\n")
    assert (location, list(values)) == ("line 1", [])
    assert error in found


def test_a_byte_order_mark_is_skipped_at_the_start_of_the_input_only() -> None:
    first, second = rows(b"\xef\xbb\xbf[1, 2]\n\xef\xbb\xbf[1, 2]\n")
    assert first == Row("line 1", [1, 2])
    assert "is not JSON" in second.error


def test_only_ascii_digits_are_the_number_of_a_column() -> None:
    for column in ("\u0660", "\u0661", "\u00b2"):
        (row,) = JsonlReader(2, Columns(key=column)).feed(b'[1, 2, "last"]\n')
        assert f"has no {column!r}" in row.error
        with pytest.raises(InputError, match=f"the header must have one column {column!r}"):
            list(CsvReader(2, Columns(key=column)).feed(b"1,2,last\n"))


def test_columns_are_members_by_name_or_by_number() -> None:
    by_name = Columns(key="id", values=("heat", "load"), kept=("time", "ok"))
    (row,) = rows(b'{"time": "12:30", "load": 1, "id": 7, "heat": 2, "ok": null}', columns=by_name)
    assert (list(row.values), row.key, row.kept) == ([2, 1], 7, ("12:30", None))
    (row,) = rows(b'["12:30", 1, 7, 2]', columns=Columns(key="3", values=("4", "2"), kept=("1",)))
    assert (list(row.values), row.key, row.kept) == ([2, 1], 7, ("12:30",))
    (row,) = rows(b'{"x": [1, 2], "t": 3}', columns=Columns(values=("x",), kept=("t",)))
    assert (list(row.values), row.kept) == ([1, 2], (3,))
    (row,) = rows(b'{"x": 1, "y": 2, "t": 3}', columns=Columns(kept=("t",)))
    assert (list(row.values), row.kept) == ([1, 2], (3,))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"x": 1, "y": 2}', "has no 't', which should be kept"),
        (b'{"x": 1, "t": 2}', "has no 'y', which should be an input value"),
        (b'{"x": 1, "y": 2, "t": [3]}', "'t' is '[3]'; only a text or a number can be kept"),
        (b'{"x": 1, "y": 2, "t": "\\ud800"}', "UTF-8 cannot represent"),
        (b"[1, 2, 3]", "has no 't'"),
        (b"3", "has no 'x'"),
    ],
)
def test_a_member_that_is_missing_or_cannot_be_kept_is_an_error(line: bytes, error: str) -> None:
    (row,) = rows(line, columns=Columns(values=("x", "y"), kept=("t",)))
    assert error in row.error


def test_outputs_are_arrays_with_the_same_bits() -> None:
    y = np.array([[0.1, -1e-30], [1e20, 3.0]], np.float32)
    text = encode(y)
    assert text.startswith(b"[0.1, -1e-30]\n")
    assert np.array([json.loads(line) for line in text.splitlines()], np.float32).tobytes() == y.tobytes()
