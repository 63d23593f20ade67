"""Reads an HDF5 file, as a script: `python h5_script.py < FILE`.

The file comes on standard input. To standard output go, as safetensors, under "" JSON in UTF-8: the groups with their text
attributes, where in the file the values of each array lie, and for each array that is not read the reason; and by their paths
the arrays that do not lie in one piece, or are of an unusual type. Links are not followed, and nothing is read that would load
a plugin or another file.
"""

import io
import json
import os
import sys
from typing import Any

import h5py
import numpy as np
from safetensors.numpy import save

_MOST_OBJECTS = 100_000
_MORE_MEMORY = 64 << 20  # bytes, beside four times the file
_SECONDS, _BYTES_IN_A_SECOND = 2.0, 50e6  # of the CPU, beside the import of the libraries
_TYPES = {
    kind: code
    for order, name in (("<", "LE"), (">", "BE"))
    for kind, code in (
        (f"IEEE_F16{name}", f"{order}f2"),
        (f"IEEE_F32{name}", f"{order}f4"),
        (f"IEEE_F64{name}", f"{order}f8"),
    )
}


def main() -> None:
    """Read all of it. A damaged file may raise anything, crash or take for ever; the caller is prepared."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print goes to standard error, not among the answers
    data = sys.stdin.buffer.read()
    _limit(len(data))
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    groups: dict[str, dict[str, Any]] = {}
    refused: dict[str, str] = {}
    lying: dict[str, tuple[int, str, list[int]]] = {}
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
                elif place := _place(inner):
                    lying[inner_path] = place
                else:
                    left -= inner.nbytes
                    array = np.ascontiguousarray(inner[()])
                    arrays[inner_path] = (
                        array.astype("<f8") if array.dtype.itemsize > 8 else array.astype(array.dtype.newbyteorder("<"))
                    )
    found = json.dumps({"groups": groups, "lying": lying, "refused": refused}).encode()
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


def _place(dataset: Any) -> tuple[int, str, list[int]] | None:
    """The first byte, type and shape of an array that lies in one piece; None where it does not, or is of an unusual type."""
    offset, found = dataset.id.get_offset(), dataset.id.get_type()
    code = next((code for name, code in _TYPES.items() if found.equal(getattr(h5py.h5t, name))), None)
    return None if offset is None or code is None or not dataset.size else (offset, code, list(dataset.shape))


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


def _limit(n_bytes: int) -> None:
    """Have the system end this process where it takes far more time or memory than a file of so many bytes needs."""
    try:
        import resource
        import signal
    except ImportError:  # Windows
        return
    signal.setitimer(signal.ITIMER_PROF, _SECONDS + n_bytes / _BYTES_IN_A_SECOND)
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[5]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = used + 4 * n_bytes + _MORE_MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # the caller shows the last line
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
