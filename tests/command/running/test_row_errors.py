"""Bad rows: each is reported on a line, counted, and ends the run if that is asked for."""

import pytest

from streamrnn.command.running.formats import Row
from streamrnn.command.running.row_errors import OnError, RowErrors, Stopped


def test_the_first_bad_row_stops_the_run_and_no_summary_follows(capsys: pytest.CaptureFixture[str]) -> None:
    errors = RowErrors(OnError.STOP)
    with pytest.raises(Stopped):
        errors.report(Row("line 7"), "is bad")
    errors.print_summary()
    assert capsys.readouterr() == ("", "error: line 7: is bad\n")
    assert errors.n_rows == 1


@pytest.mark.parametrize(("n_rows", "summary"), [(0, []), (1, ["skipped 1 row"]), (2, ["skipped 2 rows"])])
def test_skipped_rows_are_counted_in_the_summary(n_rows: int, summary: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    errors = RowErrors(OnError.SKIP)
    for number in range(n_rows):
        errors.report(Row(f"line {number}"), "is bad")
    errors.print_summary()
    assert capsys.readouterr().err.splitlines() == [f"error: line {number}: is bad" for number in range(n_rows)] + summary
