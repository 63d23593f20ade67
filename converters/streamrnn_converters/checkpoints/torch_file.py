"""The object in a file of torch.save, read without torch. (torch/serialization.py)

Since version 1.6 it is a zip file, whose data.pkl is a pickle and whose data/<key> are the storages that the pickle refers to,
plain numbers. Before, five pickles came one after the other, then the storages.
"""

import io
import re
from collections.abc import Mapping
from typing import Any

from streamrnn.errors import ConversionError
from streamrnn_converters.checkpoints.torch_pickle import ALONE, TorchTensor, read_pickle
from streamrnn_converters.reading.zip_members import zip_members

_ZIP = b"PK\3\4"
_BEFORE_1_6 = 0x1950A86A20F9469CFC6C
_TORCHSCRIPT = re.compile(r"[^/]+/(code/.*\.py|constants\.pkl)")  # entries that torch.save does not write
_LOADED = (
    "if you trust it, load it with torch, model = torch.jit.load(path), and save its weights alone: "
    "torch.save(model.state_dict(), 'weights.pt'); or export it to ONNX: "
    "torch.onnx.export(model, (x,), 'model.onnx', dynamo=False)"
)
_MAIN = re.compile(r"([^/]*/)data\.pkl")
#: A tensor takes some 200 bytes of it. A single byte may make an object of 64 bytes, which takes some tenths of a microsecond.
_LONGEST_PICKLE = 3 << 18


class TorchFile:
    """What a file holds.

    content  containers, numbers and texts; its tensors are of `TorchTensor`
    """

    def __init__(self, content: Any, storages: Mapping[str, memoryview], byte_order: str) -> None:
        self.content = content
        self._storages, self._byte_order = storages, byte_order

    def array(self, tensor: TorchTensor) -> Any:
        """The values of a tensor, read-only. Raises ConversionError where the file does not have them."""
        if tensor.storage.key not in self._storages:
            raise ConversionError("its numbers are missing in the file; save or copy it again")
        return tensor.array(self._storages[tensor.storage.key], self._byte_order)


def read_torch(data: bytes) -> TorchFile:
    """What the bytes of a file of torch.save hold.

    Raises ConversionError for a file that is damaged, or whose code would have to run.
    """
    try:
        return _from_zip(data) if data.startswith(_ZIP) else _from_pickles(data)
    except ConversionError:
        raise
    except Exception as error:  # a pickle that goes wrong may raise anything
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ConversionError(f"not a whole file of torch.save ({reason:.200}); save or copy it again") from None


def _from_zip(data: bytes) -> TorchFile:
    members = zip_members(data)
    if any(_TORCHSCRIPT.fullmatch(name) for name in members):
        raise ConversionError(f"is a TorchScript program, which is code; {_LOADED}")
    folders = [match[1] for name in members if (match := _MAIN.fullmatch(name))]
    if len(folders) != 1:
        raise ConversionError("not a whole file of torch.save (it has no data.pkl); save or copy it again")
    (folder,) = folders
    content, _ = read_pickle(_bounded(members[f"{folder}data.pkl"]))
    order = bytes(members.get(f"{folder}byteorder", b"little"))
    prefix = f"{folder}data/"
    storages = {name.removeprefix(prefix): member for name, member in members.items() if name.startswith(prefix)}
    return TorchFile(content, storages, ">" if order == b"big" else "<")


def _from_pickles(data: bytes) -> TorchFile:
    stream = io.BytesIO(data[:_LONGEST_PICKLE])
    if read_pickle(stream)[0] != _BEFORE_1_6:
        raise ConversionError(f"not a file of torch.save; {ALONE}")
    version, system = read_pickle(stream)[0], read_pickle(stream)[0]
    if version != 1001 or not isinstance(system, Mapping) or system.get("little_endian") is not True:
        raise ConversionError("was saved by an old torch on a machine of another byte order; save it again with a newer one")
    content, found = read_pickle(stream)
    itemsizes = {storage.key: storage.itemsize for storage in found}
    keys, _ = read_pickle(stream)
    storages: dict[str, memoryview] = {}
    rest = memoryview(data)[stream.tell() :]
    for key in keys:
        end = 8 + int.from_bytes(rest[:8], "little") * itemsizes[key]
        storages[key], rest = rest[8:end], rest[end:]
    return TorchFile(content, storages, "<")


def _bounded(member: memoryview) -> io.BytesIO:
    if len(member) > _LONGEST_PICKLE:
        raise ConversionError(
            f"has {len(member)} bytes beside its numbers; more than {_LONGEST_PICKLE} are not read; save its weights alone"
        )
    return io.BytesIO(member)
