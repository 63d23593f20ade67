"""Paths that cannot be written are refused before the work, and nothing is changed."""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from streamrnn import Model, StreamRNNError
from streamrnn.command.output_path import check_archive_path, check_output_path, default_archive_path


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


def test_what_is_no_regular_file_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(StreamRNNError, match="is not a regular file"):
            check_output_path(path, tmp_path / "source")


@pytest.mark.parametrize(
    "content", [b"1", b"weights" * 1000, b"\x02" + bytes(7) + b"{}", (1 << 62).to_bytes(8, "little") + b"{"]
)
def test_a_file_of_another_program_is_replaced_by_force_only(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(StreamRNNError, match=r"streamrnn did not write it; .* --force"):
        check_archive_path(path, tmp_path / "source", force=False)
    check_archive_path(path, tmp_path / "source", force=True)
    assert default_archive_path(tmp_path / "model.onnx") == tmp_path / "model.streamrnn.safetensors"


def test_a_checkpoint_of_another_program_is_kept(tmp_path: Path) -> None:
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(StreamRNNError, match="--force"):
        check_archive_path(tmp_path / "model.safetensors", tmp_path / "source", force=False)


def test_an_archive_an_empty_file_and_no_file_are_replaced(tmp_path: Path, gated: Model) -> None:
    path = tmp_path / "model.safetensors"
    for write in (lambda: None, path.touch, lambda: gated.save(path)):
        write()
        check_archive_path(path, tmp_path / "source", force=False)
        assert default_archive_path(tmp_path / "model.onnx") == path
    assert default_archive_path(path) == tmp_path / "model.streamrnn.safetensors"
