"""The resume point: it tells apart every two inputs and outputs, and is the same in whatever pieces they come."""

import pytest

from streamrnn import StreamRNNError
from streamrnn.command.running.formats import Row
from streamrnn.command.running.resume_point import ResumePoint

ROWS = [Row("line 1", [1.0, 2.0], key="a"), Row("line 2", [3.0, 4.0], key=7), Row("line 3", error="is bad")]


def test_pieces_of_any_size_give_the_same_point() -> None:
    at_once = ResumePoint().after_rows(*ROWS).after_output(b"x,y\n")
    one_by_one = ResumePoint()
    for row in ROWS:
        one_by_one = one_by_one.after_rows(row)
    for char in b"x,y\n":
        one_by_one = one_by_one.after_output(bytes([char]))
    assert one_by_one == at_once
    assert (at_once.n_rows, at_once.n_bytes) == (3, 4)


@pytest.mark.parametrize(
    "changed",
    [
        ROWS[0]._replace(key="b"),
        ROWS[0]._replace(key=""),
        ROWS[0]._replace(values=[1.0, 2.5]),
        ROWS[0]._replace(values=[1.0, -2.0]),
        ROWS[1]._replace(key="7"),
        ROWS[1]._replace(key=8),
        ROWS[2]._replace(values=[1.0, 2.0]),
    ],
)
def test_a_row_with_another_key_or_value_gives_another_point(changed: Row) -> None:
    number = int(changed.location.removeprefix("line ")) - 1
    rows = [*ROWS[:number], changed, *ROWS[number + 1 :]]
    assert ResumePoint().after_rows(*rows).rows_check != ResumePoint().after_rows(*ROWS).rows_check


def test_rows_in_another_order_and_other_output_give_another_point() -> None:
    assert ResumePoint().after_rows(*ROWS).rows_check != ResumePoint().after_rows(*ROWS[::-1]).rows_check
    assert ResumePoint().after_output(b"1,2\n").bytes_check != ResumePoint().after_output(b"1,3\n").bytes_check


def test_a_point_is_read_back_from_its_note() -> None:
    point = ResumePoint().after_rows(*ROWS).after_output(b"1,2\n")
    assert ResumePoint.from_note(point.to_note()) == point
    assert ResumePoint.from_note(None) == ResumePoint()


def test_the_note_of_a_store_written_earlier_is_read() -> None:
    note = '{"run": {"n_rows": 3, "rows_check": 12, "n_bytes": 4, "bytes_check": 56}}'
    assert ResumePoint.from_note(note) == ResumePoint(3, 12, 4, 56)
    assert ResumePoint(3, 12, 4, 56).to_note() == note


@pytest.mark.parametrize("note", ["", "so far", "{}", "[1]", '{"run": {"n_rows": "x"}}', '{"run": {"rows": 1}}', '{"run": 7}'])
def test_the_note_of_another_program_is_refused(note: str) -> None:
    with pytest.raises(StreamRNNError, match="used by something else"):
        ResumePoint.from_note(note)
