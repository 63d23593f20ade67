"""f32: raw records, from pieces of any size."""

import numpy as np
import pytest

from streamrnn.command.running.formats import Row
from streamrnn.command.running.formats.f32 import F32Reader, encode


@pytest.mark.parametrize("at_once", [1, 3, 8, 12, 100])
def test_records_are_rows_however_they_arrive(at_once: int) -> None:
    x = np.random.default_rng(0).normal(size=(5, 2)).astype("<f4")
    data, reader = x.tobytes(), F32Reader(2)
    rows = [row for at in range(0, len(data), at_once) for row in reader.feed(data[at : at + at_once])]
    assert list(reader.finish()) == []
    assert np.array([row.values for row in rows], np.float32).tobytes() == x.tobytes()
    assert rows[3].location == "record 4 at byte 24"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_record_that_is_not_finite_is_an_error(value: float) -> None:
    rows = list(F32Reader(2).feed(np.array([[1, 2], [3, value], [5, 6]], "<f4").tobytes()))
    assert [row.location for row in rows] == ["record 1 at byte 0", "record 2 at byte 8", "record 3 at byte 16"]
    assert [bool(row.error) for row in rows] == [False, True, False]
    assert f"value 2 is {value!r}" in rows[1].error


def test_a_record_cut_off_is_an_error_with_its_place() -> None:
    reader = F32Reader(2)
    assert len(list(reader.feed(bytes(8 + 5)))) == 1
    assert list(reader.finish()) == [Row("record 2 at byte 8", error="cut off after 5 of its 8 bytes")]


def test_outputs_are_little_endian_records() -> None:
    assert encode(np.array([[1.0], [-2.0]], np.float32)) == b"\x00\x00\x80\x3f\x00\x00\x00\xc0"
