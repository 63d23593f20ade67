"""External data: tensors in files next to the model are read into it. Only where the user has allowed it.

The paths in a model are not trusted. Only regular files with a single name, in the model's own folder after symbolic links are
followed, are opened, and only as many bytes are read as the tensor has.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.parse.tensors import bytes_of, is_external
from streamrnn_converters.onnx.parse.wire import check_size

_KEYS = {"location", "offset", "length", "checksum"}
_READ = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))


def with_data_inside(model: onnx.ModelProto, path: Path) -> bytes:
    """The bytes of a model with all of its data inside. Raises ConversionError, naming the tensor, for what is not allowed.

    path  of the model; the data must lie in its folder
    """
    folder = os.path.realpath(path.parent)
    sizes: dict[tuple[int, int], int] = {}
    digests: dict[tuple[int, int], str] = {}
    n_read = 0
    for tensor, where in _tensors(model):
        if not is_external(tensor):
            continue
        name, offset, length = _location(tensor, where)
        wanted = bytes_of(tensor, where)
        if length is not None and length != wanted:
            raise ConversionError(f"{where}: its length in {name!r} is {length} bytes, but its shape takes {wanted}")
        handle = _open(folder, name, where)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise ConversionError(f"{where}: {name!r} is not a regular file")
            if found.st_nlink != 1:
                raise ConversionError(f"{where}: {name!r} has {found.st_nlink} names (hard links); copy it into the folder")
            if offset + wanted > found.st_size:
                raise ConversionError(
                    f"{where}: {name!r} has {found.st_size} bytes, but its data would end at {offset + wanted}"
                )
            key = found.st_dev, found.st_ino
            sizes[key] = found.st_size
            n_read += wanted
            check_size(n_read, "the external data")
            if n_read > sum(sizes.values()):
                raise ConversionError(f"{where}: the tensors share their data in {name!r}; save the model with its data inside")
            with os.fdopen(os.dup(handle), "rb") as file:
                if (checksum := _checksum(tensor)) is not None:
                    if key not in digests:
                        digests[key] = hashlib.file_digest(file, "sha1").hexdigest()
                    if digests[key] != checksum:
                        raise ConversionError(
                            f"{where}: {name!r} is altered: its SHA-1 is not that in the model; copy it again"
                        )
                file.seek(offset)
                tensor.raw_data = file.read(wanted)
        except OSError as error:
            raise ConversionError(f"{where}: {name!r} cannot be read ({error.strerror})") from error
        finally:
            os.close(handle)
        del tensor.external_data[:]
        tensor.data_location = TensorProto.DEFAULT
    data: bytes = model.SerializeToString()
    return data


def _tensors(model: onnx.ModelProto) -> Iterator[tuple[TensorProto, str]]:
    """The tensors of the graph, and what they are called in an error."""
    for tensor in model.graph.initializer:
        yield tensor, f"initializer {tensor.name!r}"
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t, f"node {node.name!r} ({node.op_type}), attribute {attribute.name!r}"


def _location(tensor: TensorProto, where: str) -> tuple[str, int, int | None]:
    """The file, the first byte, and the number of bytes if it is given."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    unknown = entries.keys() - _KEYS
    if unknown:
        names = ", ".join(f"{name!r:.40}" for name in sorted(unknown)[:8])
        raise ConversionError(
            f"{where}: its external data has {names}, which is not understood; save the model with its data inside"
        )
    if len(entries) < len(tensor.external_data) or not entries.get("location"):
        raise ConversionError(f"{where}: its location in another file is not understood; save the model with its data inside")
    numbers = []
    for key in ("offset", "length"):
        text = entries.get(key, "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 19):
            raise ConversionError(f"{where}: its {key} in another file is {text[:40]!r}, which is not a number of bytes")
        numbers.append(int(text) if text else None)
    return entries["location"], numbers[0] or 0, numbers[1]


def _checksum(tensor: TensorProto) -> str | None:
    """The SHA-1 of the file, in hexadecimal, as the model has it; None where it has none."""
    return next((entry.value.lower() for entry in tensor.external_data if entry.key == "checksum"), None)


def _open(folder: str, name: str, where: str) -> int:
    """A handle of a file in the folder. A symbolic link that appears after the check is not followed."""
    outside = ConversionError(f"{where}: its data would lie in {name[:200]!r}, outside the folder of the model")
    if "\0" in name or os.path.isabs(name) or ".." in Path(name).parts:
        raise outside
    real = os.path.realpath(os.path.join(folder, name))
    if Path(folder) not in Path(real).parents:
        raise outside
    *parents, last = os.path.relpath(real, folder).split(os.sep)
    handles: list[int] = []
    try:
        if os.open not in os.supports_dir_fd:
            return os.open(real, _READ)
        handles.append(os.open(folder, _READ))
        for parent in parents:
            handles.append(os.open(parent, _READ, dir_fd=handles[-1]))
        return os.open(last, _READ, dir_fd=handles[-1])
    except OSError as error:
        raise ConversionError(f"{where}: {name[:200]!r} cannot be opened ({error.strerror})") from error
    finally:
        for handle in handles:
            os.close(handle)
