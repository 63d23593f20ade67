"""The file of `--state`: saved however the run ends, and an error if it cannot be used."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from streamrnn import Model, SnapshotError, Stream, StreamRNNError
from streamrnn.command.running import state_file


@pytest.mark.parametrize("ended_by", [None, ValueError, KeyboardInterrupt])
def test_the_state_is_saved_at_the_beginning_and_however_the_run_ends(
    tmp_path: Path, ended_by: type[BaseException] | None
) -> None:
    path, session = tmp_path / "state", SimpleNamespace(state=b"first")
    try:
        with state_file.saving(path, session, None):
            assert path.read_bytes() == b"first"
            session.state = b"last"
            if ended_by:
                raise ended_by
    except (ValueError, KeyboardInterrupt):
        pass
    assert path.read_bytes() == b"last"
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_a_path_that_cannot_be_written_is_an_error_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(StreamRNNError, match="cannot be written"):
        state_file.saving(tmp_path / "none" / "state", SimpleNamespace(state=b""), None).__enter__()


def test_without_a_path_nothing_is_restored_or_saved(gated: Model) -> None:
    stream = Stream(gated)
    before = stream.snapshot()
    state_file.restore(None, stream)
    with state_file.saving(None, SimpleNamespace(state=b"x"), None):
        pass
    assert stream.snapshot() == before


def test_a_saved_state_is_restored_and_a_missing_file_begins_a_signal(gated: Model, x: np.ndarray, tmp_path: Path) -> None:
    path, stream = tmp_path / "state", Stream(gated)
    before = stream.snapshot()
    state_file.restore(path, stream)
    assert stream.snapshot() == before
    stream.process(x)
    with state_file.saving(path, SimpleNamespace(state=stream.snapshot()), None):
        pass
    other = Stream(gated)
    state_file.restore(path, other)
    assert other.snapshot() == stream.snapshot() != before


def test_a_damaged_state_and_a_directory_are_errors_with_the_path(gated: Model, tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(Stream(gated).snapshot()[:-1])
    with pytest.raises(SnapshotError, match=rf"^{tmp_path}/state: "):
        state_file.restore(tmp_path / "state", Stream(gated))
    with pytest.raises(StreamRNNError, match=rf"^{tmp_path}: cannot be read"):
        state_file.restore(tmp_path, Stream(gated))
