"""The file format: safetensors, with a JSON description in its metadata and a SHA-256 over every byte.

The metadata has one entry, "streamrnn", a JSON object:

    content_sha256  of the whole file, computed with 64 zeros instead of these digits
    format          1; 2 where weights are stored in another type than that of computing, which 1 does not know
    layers          one object per layer: kind, options and, in a graph, "reads", the layer's sources; the layer's arrays are
                    the tensors "<index>.<name>"
    notes           any JSON, such as the proof that `streamrnn import` writes

So a flipped bit is found wherever it is: in a weight, in the description or in the padding.
"""

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from streamrnn.errors import ArchiveError
from streamrnn.json_object import json_object
from streamrnn.regular_file import read_regular

#: The formats that are read: 1, and 2, which has weights that are stored in another type than they are computed with in.
FORMATS = (1, 2)
_HASH = re.compile(rb'\\"content_sha256\\": \\"([0-9a-f]{64})\\"')  # a JSON string within the JSON header


class Archive(NamedTuple):
    """The content of a file."""

    tensors: Mapping[str, NDArray[Any]]
    layers: list[dict[str, Any]]
    notes: dict[str, Any]


def write(path: str | os.PathLike[str], archive: Archive) -> None:
    """Write an archive, as a whole or not at all. Raises ArchiveError if `path` cannot be written."""
    description = {
        "content_sha256": "0" * 64,
        "format": format_of(archive.layers),
        "layers": archive.layers,
        "notes": archive.notes,
    }
    metadata = {"streamrnn": json.dumps(description, allow_nan=False)}
    blank = save_tensors({name: np.ascontiguousarray(tensor) for name, tensor in archive.tensors.items()}, metadata)
    begin, end = _span_of_hash(blank, str(path))
    replace_file(path, blank[:begin] + hashlib.sha256(blank).hexdigest().encode() + blank[end:])


def read(path: str | os.PathLike[str]) -> Archive:
    """Read and check an archive. Raises ArchiveError for a file that is missing, truncated, altered or of a later version."""
    source = _as_path(path)
    try:
        data = read_regular(source)
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read ({error.strerror})") from error
    begin, end = _span_of_hash(data, str(path))
    digest = hashlib.sha256(memoryview(data)[:begin])
    digest.update(b"0" * 64)
    digest.update(memoryview(data)[end:])
    if digest.hexdigest().encode() != data[begin:end]:
        raise ArchiveError(f"{path}: altered or truncated: its SHA-256 does not match its content; import the model again")
    try:
        about = json_object(data[8 : 8 + _header_size(data)])["__metadata__"]
        description = json_object(about["streamrnn"].encode())
        if description["format"] not in FORMATS:
            raise ArchiveError(
                f"{path}: format {description['format']!r}, but this version of streamrnn reads {FORMATS}; upgrade streamrnn"
            )
        check_members(f"{path}: its metadata", about, {"streamrnn"})
        check_members(f"{path}: its description", description, {"content_sha256", "format", "layers", "notes"})
        return Archive(load_tensors(data), list(description["layers"]), dict(description["notes"]))
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"{path}: its description cannot be read ({error}); import the model again") from error


def format_of(layers: Iterable[Mapping[str, Any]]) -> int:
    """The oldest format that can hold layers of these descriptions."""
    return 2 if any("stored" in _innermost(layer)["options"] for layer in layers) else 1


def _innermost(layer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The description of the layer that has the weights."""
    while "layer" in layer:
        layer = layer["layer"]
    return layer


def check_members(where: str, described: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise ArchiveError for a JSON object with members that are not known: what they say would be ignored."""
    if unknown := sorted(described.keys() - set(known)):
        raise ArchiveError(f"{where} has {', '.join(map(repr, unknown))}, which is not understood; upgrade streamrnn")


def replace_file(path: str | os.PathLike[str], data: bytes, sync: bool = True) -> None:
    """Replace the file at `path` in one move: readers see the old file or the new one, also after a crash, never a part.

    A new file has the permissions that the umask leaves; one that is replaced keeps its own. A symbolic link stays, and the
    file that it leads to is replaced.

    sync  whether to wait for the disk: first the data, then the move, so that both survive a power failure

    Raises ArchiveError if `path` cannot be written, or is something else than a file.
    """
    given = _as_path(path)
    try:
        target = Path(os.path.realpath(given))
        if target.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        old = target.stat() if target.exists() else None
        if old is not None and not stat.S_ISREG(old.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        temporary = target.with_name(f".streamrnn-{os.urandom(8).hex()}")
        try:
            with open(temporary, "xb", opener=_open_private if old else None) as file:
                if old is not None:
                    _keep_owner(file.fileno(), old)
                    os.chmod(temporary, stat.S_IMODE(old.st_mode))
                file.write(data)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        if sync:
            sync_folder(target.parent)
    except OSError as error:
        raise ArchiveError(f"{given}: cannot be written ({error.strerror}); choose another path") from error


def _open_private(path: str, flags: int) -> int:
    """Open a new file that nobody else may read, until it gets the permissions of the one that it replaces."""
    return os.open(path, flags, 0o600)


def _keep_owner(descriptor: int, old: os.stat_result) -> None:
    """Give a file the owner and group of the one that it replaces, where this user may do that."""
    if hasattr(os, "fchown"):
        with suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk. Raises OSError if that fails.

    Some systems, such as Windows, cannot open a folder, and some file systems have nothing to wait for: then it does nothing.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _as_path(path: str | os.PathLike[str]) -> Path:
    """`path` as a `Path`. Raises ArchiveError for what cannot be the path of a file."""
    try:
        if "\0" in (target := Path(path)).name:
            raise ValueError("it holds a zero byte")
        return target
    except Exception as error:  # of the caller's object
        raise ArchiveError(f"{path!r}: not a valid path ({error})") from error


def _header_size(data: bytes) -> int:
    """Bytes of the JSON header, which begins at byte 8; 0 if the file is too short for it."""
    size = int.from_bytes(data[:8], "little")
    return size if 8 + size <= len(data) else 0


def _span_of_hash(data: bytes, path: str) -> tuple[int, int]:
    """Begin and end of the 64 hexadecimal digits. Raises ArchiveError unless they are in the header exactly once."""
    found = list(_HASH.finditer(data, 8, 8 + _header_size(data)))
    if len(found) != 1:
        raise ArchiveError(f"{path}: not a streamrnn archive, or truncated; `streamrnn import` writes one")
    return found[0].span(1)
