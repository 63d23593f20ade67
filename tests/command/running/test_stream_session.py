"""Sessions of one stream: each row is answered or reported, and the state belongs to what was answered."""

import numpy as np
import pytest

from streamrnn import Model, Stream
from streamrnn.command.running.formats import Row
from streamrnn.command.running.row_errors import OnError, RowErrors, Stopped
from streamrnn.command.running.stream_session import StreamSession


def rows_of(x: np.ndarray) -> list[Row]:
    return [Row(f"line {number}", row.tolist()) for number, row in enumerate(x, 1)]


@pytest.mark.parametrize("max_rows", [1, 7, 1000])
def test_blocks_of_any_length_give_the_same_bits(gated: Model, x: np.ndarray, y: np.ndarray, max_rows: int) -> None:
    session = StreamSession(Stream(gated), RowErrors(OnError.STOP), max_rows=max_rows)
    blocks = list(session.outputs(rows_of(x)))
    assert max(len(block) for block in blocks) == min(max_rows, len(x))
    assert np.concatenate(blocks).tobytes() == y.tobytes()


def test_the_state_counts_what_was_taken_and_no_more(gated: Model, x: np.ndarray) -> None:
    session = StreamSession(Stream(gated), RowErrors(OnError.STOP), max_rows=10)
    reference = Stream(gated)
    assert session.state == reference.snapshot()
    for index, _ in enumerate(session.outputs(rows_of(x))):
        assert session.state == reference.snapshot()  # the block is not written yet
        reference.process(x[10 * index : 10 * index + 10])
    assert session.state == reference.snapshot()


def test_a_bad_row_stops_after_the_rows_before_it(gated: Model, x: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    session = StreamSession(Stream(gated), RowErrors(OnError.STOP), max_rows=100)
    rows = rows_of(x[:5])
    rows[3] = Row("line 4", error="is bad")
    answers = session.outputs(rows)
    assert len(next(answers)) == 3
    with pytest.raises(Stopped):
        next(answers)
    assert capsys.readouterr().err == "error: line 4: is bad\n"
    reference = Stream(gated)
    reference.process(x[:3])
    assert session.state == reference.snapshot()


def test_skipped_rows_leave_the_state_as_it_was(gated: Model, x: np.ndarray) -> None:
    errors = RowErrors(OnError.SKIP)
    session = StreamSession(Stream(gated), errors, max_rows=100)
    rows = rows_of(x)
    rows[5] = rows[6] = rows[77] = Row("line 0", error="is bad")
    outputs = np.concatenate(list(session.outputs(rows)))
    assert outputs.tobytes() == Stream(gated).process(np.delete(x, [5, 6, 77], axis=0)).tobytes()
    assert errors.n_rows == 3


def test_an_output_beyond_float32_is_reported_and_undone(overflowing: Model, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.full((40, 1), 0.01, np.float32)
    x[17] = 1
    assert np.isinf(Stream(overflowing).process(x)).sum() == 1
    errors = RowErrors(OnError.SKIP)
    session = StreamSession(Stream(overflowing), errors, max_rows=16)
    outputs = np.concatenate(list(session.outputs(rows_of(x))))
    assert capsys.readouterr().err.startswith("error: line 18: the output left the range of float32")
    assert errors.n_rows == 1
    assert outputs.tobytes() == Stream(overflowing).process(np.delete(x, 17, axis=0)).tobytes()
