"""Object files, looked at and loaded without a linker."""

import ctypes
import struct
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding

from streamrnn import Model
from streamrnn.code_cache.loader import generator
from streamrnn.target.machine import this_machine


def undefined_symbols(object_file: bytes) -> list[str]:
    """The symbols that an ELF object file, of 32 or 64 bits, expects to find elsewhere."""
    is_64 = object_file[4] == 2
    table_at, entry_size, n_sections = struct.unpack_from(
        "<Q" if is_64 else "<I", object_file, 40 if is_64 else 32
    ) + struct.unpack_from("<HH", object_file, 58 if is_64 else 46)
    layout, symbol = ("<IIQQQQIIQQ", "<IBBHQQ") if is_64 else ("<IIIIIIIIII", "<IIIBBH")
    sections = [struct.unpack_from(layout, object_file, table_at + number * entry_size) for number in range(n_sections)]
    names: list[str] = []
    for section in sections:
        if section[1] != 2:  # SHT_SYMTAB
            continue
        strings = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], struct.calcsize(symbol)):
            fields = struct.unpack_from(symbol, object_file, at)
            owner = fields[3] if is_64 else fields[5]
            if owner == 0 and fields[0]:
                begin = strings + fields[0]
                names.append(object_file[begin : object_file.index(b"\0", begin)].decode())
    return names


_engines: list[Any] = []  # an engine that ends takes LLVM's code generator with it


class Exported:
    """The functions of an object file for this machine, and the memory of one stream."""

    def __init__(self, folder: Path, name: str, model: Model, n_stream: int, n_snapshot: int) -> None:
        self._engine = binding.create_mcjit_compiler(binding.parse_assembly(""), generator(this_machine(), in_process=True))
        self._engine.add_object_file(binding.ObjectFileRef.from_data((folder / f"{name}.o").read_bytes()))
        self._engine.finalize_object()
        _engines.append(self._engine)
        address, count, status = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        self._model, self._n_snapshot = model, n_snapshot
        self._reset = self._function(f"{name}_reset", None, address)
        self._step = self._function(f"{name}_step", status, address, address, address)
        self._process = self._function(f"{name}_process", status, address, address, address, count)
        self._save = self._function(f"{name}_save", count, address, address)
        self._load = self._function(f"{name}_load", status, address, address)
        self.memory = np.full(n_stream + 64, 0xAA, np.uint8)
        self.place = self.memory.ctypes.data + -self.memory.ctypes.data % 64

    def _function(self, name: str, result: Any, *arguments: Any) -> Any:
        return ctypes.CFUNCTYPE(result, *arguments)(self._engine.get_function_address(name))

    def reset(self) -> None:
        self._reset(self.place)

    def step(self, x: np.ndarray, place: int | None = None) -> tuple[int, np.ndarray]:
        y = np.zeros(self._model.output_size, self._model.dtype)
        return self._step(place or self.place, x.ctypes.data, y.ctypes.data), y

    def process(self, x: np.ndarray) -> tuple[int, np.ndarray]:
        n_steps = len(x) // self._model.stride
        y = np.zeros((n_steps, self._model.output_size), self._model.dtype)
        return self._process(self.place, x.ctypes.data, y.ctypes.data, n_steps), y

    def save(self) -> bytes:
        saved = ctypes.create_string_buffer(self._n_snapshot)
        n_bytes = self._save(self.place, saved)
        return bytes(saved[:n_bytes])

    def load(self, saved: bytes) -> int:
        return int(self._load(self.place, saved))
