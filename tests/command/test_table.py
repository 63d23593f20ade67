"""Tables: aligned columns of text, whatever a cell contains."""

import pytest

from streamrnn.command.console import show
from streamrnn.command.table import name_value_table, plain_table


def test_columns_are_aligned_as_asked_and_lines_end_without_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    show(plain_table(["name", "size"], [["a", "1"], ["longer", "100"], ["empty"]], right=["size"]))
    assert capsys.readouterr().out == "name    size\na          1\nlonger   100\nempty\n"


def test_names_and_values_have_no_header(capsys: pytest.CaptureFixture[str]) -> None:
    show(name_value_table([("input", "2 float32"), ("state", "8 values")]))
    assert capsys.readouterr().out == "input  2 float32\nstate  8 values\n"


def test_control_characters_in_a_cell_are_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    show(plain_table(["a\nb"], [["\x1b[31m[bold]"]]), name_value_table([("c\td", "λ")]))
    assert capsys.readouterr().out == "a\\nb\n\\x1b[31m[bold]\nc\\td  λ\n"
