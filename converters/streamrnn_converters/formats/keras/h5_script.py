"""Reads an HDF5 file, as a script: `python h5_script.py < FILE`.

The file comes on standard input. To standard output go its arrays by path, as safetensors, and under "" JSON in UTF-8: the
groups with their text attributes, and for each array that is not read the reason. Links are not followed, and nothing is read
that would load a plugin or another file.
"""

import io
import json
import os
import sys
from contextlib import suppress
from typing import Any

import h5py
import numpy as np
from safetensors.numpy import save

_MOST_OBJECTS = 100_000
_MOST_MEMORY = 4 << 30


def main() -> None:
    """Read all of it. A damaged file may raise anything, crash or take for ever; the caller is prepared."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print goes to standard error, not among the answers
    data = sys.stdin.buffer.read()
    _limit_memory(_MOST_MEMORY + 4 * len(data))
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    groups: dict[str, dict[str, Any]] = {}
    refused: dict[str, str] = {}
    with h5py.File(io.BytesIO(data), "r") as file:
        left, n_objects, waiting = len(data), 0, [("", file)]
        while waiting:
            path, group = waiting.pop()
            groups[path] = _texts(group.attrs)
            for name in group:
                n_objects += 1
                if n_objects > _MOST_OBJECTS:
                    raise ValueError(f"has more than {_MOST_OBJECTS} objects")
                inner_path = f"{path}/{name}" if path else name
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    refused[inner_path] = "is a link"
                    continue
                inner = group[name]
                if isinstance(inner, h5py.Group):
                    waiting.append((inner_path, inner))
                elif reason := _refusal(inner, left):
                    refused[inner_path] = reason
                else:
                    left -= inner.nbytes
                    array = np.ascontiguousarray(inner[()])
                    arrays[inner_path] = (
                        array.astype("<f8") if array.dtype.itemsize > 8 else array.astype(array.dtype.newbyteorder("<"))
                    )
    found = json.dumps({"groups": groups, "refused": refused}).encode()
    answers.write(save({**arrays, "": np.frombuffer(found, np.uint8)}))


def _refusal(dataset: Any, n_bytes_left: int) -> str:
    """Why an array is not read; "" where it is."""
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        return "holds no values"
    if dataset.dtype.kind != "f" and (dataset.dtype.kind not in "iu" or dataset.shape):
        return f"holds {dataset.dtype} values, not floats"
    if dataset.is_virtual or dataset.external or dataset.id.get_create_plist().get_nfilters():
        return "is compressed or lies in another file"
    if dataset.nbytes > n_bytes_left:
        return f"claims {dataset.nbytes} bytes, more than the file has"
    return ""


def _texts(attributes: Any) -> dict[str, Any]:
    """The attributes that are texts or lists of texts."""
    found: dict[str, Any] = {}
    for name in attributes:
        value = attributes[name]
        items = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        texts = [item.decode() if isinstance(item, bytes) else item for item in (items if isinstance(items, list) else [items])]
        if all(isinstance(text, str) and text.encode() is not None for text in texts):  # UnicodeEncodeError: damaged
            found[name] = texts if isinstance(items, list) else texts[0]
    return found


def _limit_memory(n_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    with suppress(OSError, ValueError):  # macOS has the name, but may refuse any limit
        resource.setrlimit(resource.RLIMIT_AS, (n_bytes if hard < 0 else min(n_bytes, hard), hard))


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # the caller shows the last line
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
