"""Sessions of one stream: each row is answered or reported, and the state belongs to what was answered."""

import numpy as np
import pytest

from streamrnn import Dense, Model, Stream
from streamrnn.command.running.formats import FORMATS, FormatName, Row, max_row_bytes
from streamrnn.command.running.row_errors import OnError, RowErrors, Stopped
from streamrnn.command.running.stream_session import StreamSession


def rows_of(x: np.ndarray) -> list[Row]:
    return [Row(f"line {number}", row.tolist()) for number, row in enumerate(x, 1)]


def session_of(model: Model, errors: RowErrors, max_rows: int) -> StreamSession:
    return StreamSession(Stream(model), errors, FORMATS[FormatName.F32], max_rows * max_row_bytes(model))


@pytest.mark.parametrize("max_rows", [1, 7, 1000])
def test_blocks_of_any_length_give_the_same_bits(gated: Model, x: np.ndarray, y: np.ndarray, max_rows: int) -> None:
    session = session_of(gated, RowErrors(OnError.STOP), max_rows)
    blocks = list(session.outputs(rows_of(x)))
    assert max(map(len, blocks)) == 4 * y.shape[1] * min(max_rows, len(x))
    assert b"".join(blocks) == y.tobytes()


def test_the_state_counts_what_was_taken_and_no_more(gated: Model, x: np.ndarray) -> None:
    session = session_of(gated, RowErrors(OnError.STOP), 10)
    reference = Stream(gated)
    assert session.state == reference.snapshot()
    for index, _ in enumerate(session.outputs(rows_of(x))):
        assert session.state == reference.snapshot()  # the block is not written yet
        reference.process(x[10 * index : 10 * index + 10])
    assert session.state == reference.snapshot()


def test_a_bad_row_stops_after_the_rows_before_it(gated: Model, x: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    session = session_of(gated, RowErrors(OnError.STOP), 100)
    rows = rows_of(x[:5])
    rows[3] = Row("line 4", error="is bad")
    answers = session.outputs(rows)
    assert len(next(answers)) == 3 * 2 * 4
    with pytest.raises(Stopped):
        next(answers)
    assert capsys.readouterr().err == "error: line 4: is bad\n"
    reference = Stream(gated)
    reference.process(x[:3])
    assert session.state == reference.snapshot()


def test_skipped_rows_leave_the_state_as_it_was(gated: Model, x: np.ndarray) -> None:
    errors = RowErrors(OnError.SKIP)
    session = session_of(gated, errors, 100)
    rows = rows_of(x)
    rows[5] = rows[6] = rows[77] = Row("line 0", error="is bad")
    outputs = b"".join(session.outputs(rows))
    assert outputs == Stream(gated).process(np.delete(x, [5, 6, 77], axis=0)).tobytes()
    assert errors.n_rows == 3


def test_an_output_beyond_float32_is_reported_and_undone(overflowing: Model, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.full((40, 1), 0.01, np.float32)
    x[17] = 1
    assert np.isinf(Stream(overflowing).process(x)).sum() == 1
    errors = RowErrors(OnError.SKIP)
    session = session_of(overflowing, errors, 16)
    outputs = b"".join(session.outputs(rows_of(x)))
    assert capsys.readouterr().err.startswith("error: line 18: the output left the range of float32")
    assert errors.n_rows == 1
    assert outputs == Stream(overflowing).process(np.delete(x, 17, axis=0)).tobytes()


def test_an_output_beyond_the_format_is_reported_and_undone(capsys: pytest.CaptureFixture[str]) -> None:
    """A float64 that float32 cannot represent would be infinity in the file."""
    model = Model([Dense(np.full((1, 1), 1e30), dtype="float64")])
    rows = rows_of(np.array([[1.0], [1e10], [2.0]]))
    session = session_of(model, RowErrors(OnError.SKIP), 16)
    assert np.frombuffer(b"".join(session.outputs(rows)), "<f4").tolist() == np.float32([1e30, 2e30]).tolist()
    assert capsys.readouterr().err.startswith("error: line 2: the output left the range of float32")
    csv = StreamSession(Stream(model), RowErrors(OnError.STOP), FORMATS[FormatName.CSV], 4096)
    assert b"".join(csv.outputs(rows)) == b"1e+30\n1e+40\n2e+30\n"
