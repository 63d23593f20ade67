"""Paths that cannot be written are refused before the work, and nothing is changed."""

from pathlib import Path

import pytest

from streamrnn import StreamRNNError
from streamrnn.command.output_path import check_output_path


def test_a_new_file_and_an_old_one_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"kept")
    check_output_path(tmp_path / "new", tmp_path / "source")
    check_output_path(tmp_path / "old", tmp_path / "source")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"kept"


def test_the_source_a_directory_and_a_missing_directory_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.touch()
    (tmp_path / "link").symlink_to(source)
    for path, reason in [
        (source, "would replace the file that is read"),
        (tmp_path / "link", "would replace the file that is read"),
        (tmp_path, "is a directory"),
        (tmp_path / "missing" / "out", "its directory does not exist"),
    ]:
        with pytest.raises(StreamRNNError, match=reason):
            check_output_path(path, source)
