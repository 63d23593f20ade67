"""csv: the spellings that are accepted, and errors for all others."""

import re

import numpy as np
import pytest

from streamrnn.command.running.formats import Columns, Row
from streamrnn.command.running.formats.csv import CsvReader, encode, label
from streamrnn.errors import InputError

PLAIN = Columns()


def rows(text: bytes, size: int = 2, at_once: int = 1 << 20, columns: Columns = PLAIN) -> list[Row]:
    """The rows of a text that arrives in pieces of `at_once` bytes."""
    reader = CsvReader(size, columns)
    pieces = [text[at : at + at_once] for at in range(0, len(text), at_once)]
    return [row for piece in pieces for row in reader.feed(piece)] + list(reader.finish())


@pytest.mark.parametrize(
    "line", [b"0.5,-2e-3", b"0.5;-2e-3", b"0.5\t-2e-3", b"  0.5 ,\t-2E-3  ", b".5,-0.002", b"+0.5, -.2e-2", b"0.5,-2e-3\r"]
)
def test_a_line_of_numbers_is_a_row(line: bytes) -> None:
    assert rows(line + b"\n") == [Row("line 1", [0.5, -0.002])]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n\n"])
def test_the_last_line_may_end_as_it_likes(end: bytes) -> None:
    assert rows(b"1,2\n3,4" + end) == [Row("line 1", [1, 2]), Row("line 2", [3, 4])]


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 100])
def test_however_the_bytes_arrive_the_rows_are_the_same(at_once: int) -> None:
    text = b"\xef\xbb\xbfx,y\r\n\r\n1.5,2\n3,oops\n5;6\n7,8"
    assert [(row.location, list(row.values)) for row in rows(text, at_once=at_once)] == [
        ("line 3", [1.5, 2]),
        ("line 4", []),
        ("line 5", [5, 6]),
        ("line 6", [7, 8]),
    ]


def test_a_row_is_there_as_soon_as_its_line_ends() -> None:
    reader = CsvReader(1)
    assert list(reader.feed(b"1\n2")) == [Row("line 1", [1])]
    assert list(reader.feed(b"5")) == []
    assert list(reader.feed(b"\n")) == [Row("line 2", [25])]


@pytest.mark.parametrize(
    "header", [b"x,y", b'"load";"heat"', b",load,heat", "λ,μ".encode(), b"[m/s],2m_temp", b"Temp\xe9rature,x", b"time of day"]
)
def test_a_first_line_of_names_is_a_header_and_said_to_be_one(capsys: pytest.CaptureFixture[str], header: bytes) -> None:
    assert rows(header + b"\n1,2\n") == [Row("line 2", [1, 2])]
    assert capsys.readouterr().err.startswith("remark: line 1 is read as a header, not as data: ")


@pytest.mark.parametrize("line", [b"n/a,n/a", b"NULL,-", b"nan,nan", b"1.5V,2.3V", b"1_0,2_0", b",", b"12:30,13:00", b"x,N/A"])
def test_a_first_line_that_may_be_data_is_never_dropped(line: bytes) -> None:
    found, (number, values, *_) = rows(line + b"\n1,2\n")
    assert (found.location, bool(found.error)) == ("line 1", True)
    assert (number, values) == ("line 2", [1, 2])


@pytest.mark.parametrize("line", [b'"1","2"', b'1,"2"', b'"1";"2"', b'"1"\t"2"', b' "1" , "2" ', b'" 1","2 "'])
def test_numbers_in_quotes_are_numbers(line: bytes) -> None:
    assert rows(line) == [Row("line 1", [1, 2])]


def test_spaces_in_quotes_belong_to_the_key_and_those_outside_do_not() -> None:
    text = b'" a",1,2\n"a",1,2\na ,1,2\n "a" ,1,2\n" ",1,2\n"a""b",1,2\n"a;b",1,2\n"a,b",1,2\n'
    found = [row.key for row in rows(text, columns=Columns(key="1"))]
    assert found == [" a", "a", "a", "a", " ", 'a"b', "a;b", "a,b"]
    again = [row.key for row in rows("".join(f"{label(key)},1,2\n" for key in found).encode(), columns=Columns(key="1"))]
    assert again == found


@pytest.mark.parametrize("header", [b"", b"time,load,id,heat\n"])
def test_columns_by_number_are_the_input_in_the_order_given(header: bytes) -> None:
    columns = Columns(key="3", values=("4", "2"), kept=("1",))
    (row,) = rows(header + b'"12:30, noon",1,a,2\n', columns=columns)
    assert (list(row.values), row.key, row.kept) == ([2, 1], "a", ("12:30, noon",))


def test_columns_by_name_are_found_in_the_header() -> None:
    columns = Columns(key="id", values=("heat", "load"), kept=("time", "load"))
    (row,) = rows(b"time,load,id,heat\n12:30,1,a,2\n", columns=columns)
    assert (list(row.values), row.key, row.kept) == ([2, 1], "a", ("12:30", "1"))


def test_without_columns_all_but_the_kept_ones_are_the_input() -> None:
    (row,) = rows(b"time,load,heat\n12:30,1,2\n", columns=Columns(kept=("time",)))
    assert (list(row.values), row.kept) == ([1, 2], ("12:30",))


@pytest.mark.parametrize("header", [b"", b"a,b,c\n"])
def test_a_line_with_more_or_fewer_columns_than_the_others_is_an_error(header: bytes) -> None:
    """Its columns may have moved, for instance where a decimal comma is read as a separator."""
    found = rows(header + b"1,2,3\n1,5,2,3\n1,2\n4,5,6", columns=Columns(values=("1", "2")))
    assert [bool(row.error) for row in found] == [False, True, True, False]


def test_a_column_that_is_not_there_is_an_error() -> None:
    with pytest.raises(InputError, match="line 1: the header must have one column 'heat', but has 'x', 'y'"):
        rows(b"x,y\n1,2\n", columns=Columns(values=("x", "heat")))
    (row,) = rows(b"1,2\n", columns=Columns(values=("1", "3")))
    assert row.error == "2 columns, but a value is in column 3"


def test_names_that_are_not_those_of_the_model_are_refused() -> None:
    for header in (b"heat,load", b"x,y", b"load,heat,time"):
        with pytest.raises(InputError, match=r"but the inputs of the model are load, heat; .* --columns"):
            rows(header + b"\n1,2\n", columns=Columns(input_names=("load", "heat")))
    assert rows(b"load,heat\n1,2\n", columns=Columns(input_names=("load", "heat"))) == [Row("line 2", [1, 2])]
    chosen = Columns(values=("load", "heat"), input_names=("load", "heat"))
    assert rows(b"heat,load\n1,2\n", columns=chosen) == [Row("line 2", [2, 1])]


@pytest.mark.parametrize("line", [b"0,5;-2,25", b"0,5\t-2,25", b'"0,5";"-2,25"', b",5;-225e-2"])
def test_numbers_may_have_a_decimal_comma(line: bytes) -> None:
    assert rows(b"x;y\n" + line, columns=Columns(decimal_comma=True)) == [Row("line 2", [0.5, -2.25])]
    assert rows(line, columns=Columns(decimal_comma=True)) == [Row("line 1", [0.5, -2.25])]


def test_a_point_beside_decimal_commas_is_an_error() -> None:
    (row,) = rows(b"1.234;2", columns=Columns(decimal_comma=True))
    assert row.error == "value 1 is '1.234', which has a point, but --decimal-comma is given"


def test_a_header_can_be_forced_either_way() -> None:
    assert rows(b"1,2\n3,4", columns=Columns(header=True)) == [Row("line 2", [3, 4])]
    found = rows(b"x,y\n3,4", columns=Columns(header=False))
    assert [bool(row.error) for row in found] == [True, False]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"[1, 2]", "line 1: is JSON, not csv"),
        (b'{"x": 1, "y": 2}', "line 1: is JSON, not csv"),
        (b"1\x00,\x002\x00", "line 1: has the byte 0x00, so it is not UTF-8 text"),
        (b"x,\x05y", "line 1: has the byte 0x05"),
        (b'\xc0\x01\0\0{"__metadata__":1}x"y"', "line 1: has the byte 0x01"),
        (b"x,y\r1,2\rx,y", "line 1: has the byte 0x0d"),
    ],
)
def test_a_first_line_of_another_format_ends_the_run(line: bytes, error: str) -> None:
    with pytest.raises(InputError, match=re.escape(error)):
        rows(line + b"\n1,2\n")


def test_an_empty_first_column_of_a_line_with_tabs_is_a_column() -> None:
    first, second = rows(b"1\t2\n\t3\t4\n")
    assert (first, second.error) == (Row("line 1", [1, 2]), "value 1 is '', which is not a number")


def test_a_header_behind_blank_lines_is_one_and_a_second_is_not() -> None:
    found = rows(b"\n\nx,y\nx,y\n1,2\n")
    assert [bool(row.error) for row in found] == [True, False]
    assert found[0].location == "line 4"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (b"time,a,b\n2026-01-01,1,2\n", "; the model takes 2 of these 3 columns: name them with --columns"),
        (b"1,2,3\n", "; name those that it takes with --columns"),
        (b"1 2\n", "; separate numbers by commas, semicolons or tabs"),
    ],
)
def test_the_first_line_that_cannot_be_used_is_refused_with_the_way_out(text: bytes, hint: str) -> None:
    (row,) = rows(text)
    assert row.error.endswith(hint)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"1,2,3", "3 values, but the model takes 2"),
        (b"1", "1 value, but the model takes 2"),
        (b"1,2,", "value 3 is ''"),
        (b"1,", "value 2 is ''"),
        (b"1,x", "value 2 is 'x', which is not a number"),
        (b"x,1", "value 1 is 'x', which is not a number"),
        (b"1,nan", "value 2 is nan, which is not a finite float32 number"),
        (b"-inf,1", "value 1 is -inf"),
        (b"1,1e39", "value 2 is 1e+39"),
        (b"1,3.4028236e38", "value 2 is 3.4028236e+38"),
        (b"1,1e999", "value 2 is inf"),
        (b"0,5;0,7", "value 1 is '0,5', which is not a number"),
        (b"1_0,2", "value 1 is '1_0'"),
        (b"1 2", "value 1 is '1 2'"),
        (b"0x10,2", "value 1 is '0x10'"),
        ("١,٢".encode(), "value 1 is '١'"),
        (b"\xff\xfe,2", r"value 1 is '\\xff\\xfe'"),
        (b"1,\x1b[31m", r"value 2 is '\x1b[31m'"),
        (b"1,\x00", r"value 2 is '\x00'"),
    ],
)
def test_anything_else_is_an_error_that_says_what(line: bytes, error: str) -> None:
    ((location, values, found, *_),) = rows(b"0,0\n" + line + b"\n")[1:]
    assert (location, list(values)) == ("line 2", [])
    assert error in found


def test_a_byte_order_mark_is_skipped_at_the_start_of_the_input_only() -> None:
    first, second, third = rows(b"\xef\xbb\xbf1,2\n\xef\xbb\xbf3,4\n5,6\n")
    assert (first, third) == (Row("line 1", [1, 2]), Row("line 3", [5, 6]))
    assert second.location == "line 2"
    assert second.error == r"value 1 is '\ufeff3', which is not a number"


def test_a_byte_order_mark_after_a_blank_line_is_an_error() -> None:
    first, second = rows(b"\n\xef\xbb\xbf1,2\n3,4\n")
    assert (first.location, bool(first.error)) == ("line 2", True)
    assert second == Row("line 3", [3, 4])


def test_the_largest_float32_is_one() -> None:
    assert rows(b"3.4028235e38,-3.4028235e38") == [Row("line 1", [3.4028235e38, -3.4028235e38])]


def test_written_numbers_are_the_shortest_that_give_the_same_bits_back() -> None:
    bits = np.random.default_rng(3).integers(0, 1 << 32, 4000, np.uint32)
    y = bits.view(np.float32)
    y = y[np.isfinite(y)][:3900].reshape(-1, 2)
    text = encode(y)
    read = np.array([row.values for row in rows(text)], np.float32)
    assert read.tobytes() == y.tobytes()
    assert encode(np.array([[0.1, -1e-7, 16777216.0]], np.float32)) == b"0.1,-1e-07,1.6777216e+07\n"
