"""Reads arrays and texts from HDF5, which h5py parses in a process of its own.

On damaged files the HDF5 library may crash, or never end; then only that process is lost.
"""

import json
import math
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from streamrnn.errors import ConversionError
from streamrnn_converters.missing import missing_extra
from streamrnn_converters.own_process import command_of

Array = np.ndarray[Any, Any]

_SCRIPT = Path(__file__).with_name("h5_script.py")


@dataclass(frozen=True)
class H5File:
    """What an HDF5 file holds.

    arrays   path -> array of floats, or a single whole number
    groups   path -> the attributes that are texts or lists of texts; "" is the root
    refused  path -> why this array is not read
    """

    arrays: Mapping[str, Array]
    groups: Mapping[str, Mapping[str, Any]]
    refused: Mapping[str, str]

    def array(self, path: str) -> Array:
        """An array. Raises ConversionError where there is none, or it is not read."""
        if path in self.refused:
            raise ConversionError(f"the array {path!r} {self.refused[path]}; save the model in float32, as Keras does")
        if path not in self.arrays:
            raise ConversionError(f"the array {path!r:.200} is missing; save the whole model again")
        return self.arrays[path]

    def n_numbered(self, path: str) -> int:
        """How many arrays a group has, which are called 0, 1 and so on."""
        prefix = f"{path}/"
        return sum(name.startswith(prefix) and name[len(prefix) :].isdigit() for name in [*self.arrays, *self.refused])

    def text(self, path: str, name: str) -> str | None:
        """A text attribute of a group, None where it is missing."""
        value = self.groups.get(path, {}).get(name)
        return value if isinstance(value, str) else None

    def texts(self, path: str, name: str) -> list[str]:
        """A list of texts in an attribute of a group. Keras cuts a long one into name0, name1 and so on."""
        attributes = self.groups.get(path, {})
        if name in attributes:
            return list(attributes[name])
        found: list[str] = []
        for part in range(len(attributes)):
            found += attributes.get(f"{name}{part}", [])
        return found


def read_h5(data: bytes, seconds: float = 60.0) -> H5File:
    """The HDF5 file in some bytes.

    seconds  that reading may take

    Raises ConversionError where it cannot be read; MissingExtraError without h5py.
    """
    if find_spec("h5py") is None:
        raise missing_extra("h5py", "keras")
    try:
        done = subprocess.run(command_of(_SCRIPT), input=data, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise ConversionError(
            f"not a whole HDF5 file (reading it takes more than {seconds:g} s); save or copy it again"
        ) from None
    if done.returncode:
        if done.returncode == -getattr(signal, "SIGPROF", 0):
            raise ConversionError("not a whole HDF5 file (reading it takes too long); save or copy it again")
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise ConversionError(f"not a whole HDF5 file ({lines[-1]:.160}); save or copy it again")
    try:
        arrays = load(done.stdout)
        found = json.loads(bytes(arrays.pop("")))
        arrays |= {path: _array(data, *place) for path, place in found["lying"].items()}
        return H5File(arrays, found["groups"], found["refused"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ConversionError(f"not a whole HDF5 file ({type(error).__name__} in what was read of it); save it again") from None


def _array(data: bytes, offset: int, code: str, shape: list[int]) -> Array:
    """An array that lies in the file in one piece. Raises ValueError where the file ends before."""
    return np.frombuffer(data, code, math.prod(shape), offset).reshape(shape)
