"""The pickle in a file of torch.save: containers, numbers, texts, and tensors that refer to storages.

A pickle is a program. Here it has only the instructions that torch.save writes, and the few functions below: whatever else it
names is refused. No instruction copies anything, so its objects take little more memory than its length says.
"""

import io
import math
import pickle
import pickletools
import re
from typing import Any, ClassVar, NamedTuple, NoReturn

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from streamrnn.errors import ConversionError

ALONE = "if you trust it, save its weights alone: torch.save(model.state_dict(), 'weights.pt')"

_MOST_VALUES, _MOST_AXES = 1 << 31, 32
#: What torch.save writes with its own protocol, 2.
_INSTRUCTIONS = re.findall(
    r"\w+",
    (
        "PROTO STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE BINSTRING "
        "SHORT_BINSTRING EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT BINPUT LONG_BINPUT BINGET "
        "LONG_BINGET GLOBAL REDUCE BINPERSID"
    ),
)
_CODES = {instruction.name: ord(instruction.code) for instruction in pickletools.opcodes}

#: torch's name of a type -> NumPy's code of it. A bfloat16 is the upper half of a float32.
_TYPES = {
    "float64": "f8",
    "float32": "f4",
    "float16": "f2",
    "bfloat16": "u2",
    "int64": "i8",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint8": "u1",
    "bool": "?",
}
#: Classes of torch's storages, to the types of their values.
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


class Storage(NamedTuple):
    """A reference to plain numbers elsewhere in the file."""

    key: str
    dtype: str  # as torch calls it

    @property
    def itemsize(self) -> int:
        """Bytes of a value."""
        return np.dtype(_TYPES[self.dtype]).itemsize


class TorchTensor(NamedTuple):
    """A tensor: some of the numbers in a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in values

    @property
    def dtype(self) -> str:
        """The type of its values, as torch calls it."""
        return self.storage.dtype

    def array(self, content: memoryview, byte_order: str) -> NDArray[Any]:
        """Its values in the content of its storage, read-only. Raises ConversionError where they are more than it has."""
        n_values, itemsize = math.prod(self.shape), self.storage.itemsize
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if n_values * itemsize > len(content) or (n_values and (last + 1) * itemsize > len(content)):
            raise ConversionError(f"claims more numbers, {self.shape}, than the file holds")
        if not n_values:
            return np.zeros(0, np.float32)
        values = np.frombuffer(content, f"{byte_order}{_TYPES[self.dtype]}", len(content) // itemsize)[self.offset :]
        array = as_strided(values, self.shape, [stride * itemsize for stride in self.strides], writeable=False)
        if self.dtype == "bfloat16":
            return from_bfloat16(array)
        return array


def from_bfloat16(values: NDArray[Any]) -> NDArray[np.float32]:
    """The float32 values of which these are the upper 16 bits."""
    wide = values.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)


def read_pickle(stream: io.BytesIO) -> tuple[Any, list[Storage]]:
    """The object that the next pickle of a stream makes, and the storages that it refers to.

    Raises ConversionError for a pickle whose code would have to run. One that is damaged may raise anything.
    """
    reader = _Unpickler(stream)
    return reader.load(), reader.storages


class _Dict(dict[Any, Any]):
    """A dict; torch's is an OrderedDict."""


class _StorageType(NamedTuple):
    dtype: str


def _ordered_dict() -> _Dict:
    return _Dict()


def _rebuild_tensor(storage: Any, offset: Any, size: Any, strides: Any, *_: Any) -> TorchTensor:
    numbers = [offset, *size, *strides]
    is_known = isinstance(storage, Storage) and len(size) == len(strides) <= _MOST_AXES
    if not is_known or not all(type(n) is int and 0 <= n < _MOST_VALUES for n in numbers):
        raise ConversionError("a tensor in it is not understood; save it again")
    return TorchTensor(storage, offset, tuple(size), tuple(strides))


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    return data


def _size(values: Any) -> Any:
    return values


def _device(*_: Any) -> str:
    return "a device"


_FUNCTIONS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch", "Size"): _size,
    ("torch", "device"): _device,
    **{("torch", name): _StorageType(dtype) for name, dtype in _STORAGES.items()},
    **{("torch", name): f"torch.{name}" for name in _TYPES},
}


_Python: Any = pickle._Unpickler  # the one in C trusts the indices in a pickle


class _Unpickler(_Python):  # type: ignore[misc]
    """Reads a pickle with some of the instructions and functions. Does nothing that a pickle says beyond that."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, encoding="latin1")
        self.storages: list[Storage] = []

    def find_class(self, module: str, name: str) -> Any:
        """A function of ours, in place of the one that the pickle names."""
        found = _FUNCTIONS.get((module, name))
        if found is None:
            raise ConversionError(f"needs {module[:100]}.{name[:100]} to be read, which can run any code; {ALONE}")
        return found

    def persistent_load(self, reference: Any) -> Storage:
        """The storage of a reference: ("storage", class, key, device, size), in old files also which part of another one."""
        kind, storage_type, key, _, _, *part = reference
        if kind == "module":
            raise ConversionError(f"holds the code of a module; {ALONE}")
        if kind != "storage" or type(storage_type) is not _StorageType or type(key) is not str or part not in ([], [None]):
            raise ConversionError("a storage in it is not understood; save it again")
        self.storages.append(Storage(key, storage_type.dtype))
        return self.storages[-1]

    def load_setitems(self) -> None:
        """Keys are numbers and texts: the hash of anything else may take any time or stack."""
        items = self.pop_mark()
        self._set(items)

    def load_setitem(self) -> None:
        """As above."""
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or not all(isinstance(key, str | int | float) for key in items[::2]):
            raise ConversionError("has a dict whose keys are neither texts nor numbers; save its weights alone")
        target.update(zip(items[::2], items[1::2], strict=True))

    def load_build(self) -> None:
        """Attributes of an object, such as the versions in a state dict, are left out."""
        self.stack.pop()

    def refuse(self) -> NoReturn:
        """Refuse an instruction."""
        raise ConversionError(f"is no plain pickle of protocol 2, as torch.save writes it; {ALONE}")

    dispatch: ClassVar = (
        dict.fromkeys(range(256), refuse)
        | {_CODES[name]: _Python.dispatch[_CODES[name]] for name in _INSTRUCTIONS}
        | {_CODES["SETITEM"]: load_setitem, _CODES["SETITEMS"]: load_setitems, _CODES["BUILD"]: load_build}
    )
