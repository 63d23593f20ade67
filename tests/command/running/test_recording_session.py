"""Recordings: all rows first, then all outputs."""

import numpy as np
import pytest

from streamrnn import Model, Pointwise, Reverse, StreamRNNError, run_offline
from streamrnn.command.running.formats import FORMATS, FormatName, Row
from streamrnn.command.running.recording_session import RecordingSession
from streamrnn.command.running.row_errors import OnError, RowErrors

F32 = FORMATS[FormatName.F32]


def test_a_recording_that_is_too_long_is_refused_with_its_line(backward: Model, x: np.ndarray) -> None:
    rows = [Row(f"line {number}", row.tolist()) for number, row in enumerate(x, 1)]
    with pytest.raises(StreamRNNError, match=r"^line 6: the recording has more than 10 values"):
        list(RecordingSession(backward, RowErrors(OnError.STOP), F32, max_bytes=300, max_values=10).outputs(rows))
    blocks = list(RecordingSession(backward, RowErrors(OnError.STOP), F32, max_bytes=300, max_values=10).outputs(rows[:5]))
    assert b"".join(blocks) == run_offline(backward, x[:5]).tobytes()


def test_an_output_beyond_float32_is_refused() -> None:
    beyond = Model([Reverse(1), Pointwise(1, "exp")])
    with pytest.raises(StreamRNNError, match="the output left the range of float32; scale the input"):
        list(RecordingSession(beyond, RowErrors(OnError.STOP), F32, max_bytes=300).outputs([Row("line 1", [100.0])]))
