"""Kernels compiled ahead: shared libraries, each with a manifest, that `streamrnn compile` writes and wheels carry.

ctypes loads them, so neither Numba nor llvmlite need be there. A library is code that will be executed. So it is taken from two
places only: the folder that STREAMRNN_KERNELS names, which must be as private as the store, and the wheel, where it must be as
private as the Python code beside it. Manifest and library are checked before anything is loaded.
"""

import ctypes
import hashlib
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from streamrnn.code_cache.files import check_private, is_as_private, is_private
from streamrnn.code_cache.key import digest_of_sources
from streamrnn.json_object import json_object
from streamrnn.regular_file import open_regular
from streamrnn.target import ahead
from streamrnn.target.machine import runs_here
from streamrnn.target.packing import Width
from streamrnn.version import __version__
from streamrnn.warn import warn_once

FORMAT: Final = 1

_LARGEST_MANIFEST = 4 << 20  # bytes
_LARGEST = 256 << 20
_OF_DOORS = "door.machine."  # paths of functions that read Python's objects


class Library(NamedTuple):
    """A library that is checked, not yet loaded.

    path     of the shared library
    symbols  path and width of a function -> its symbol
    """

    path: Path
    symbols: dict[tuple[str, Width], str]


def manifest_of(
    target: str, needed: frozenset[str], versions: dict[str, str], library: bytes, symbols: dict[tuple[str, Width], str]
) -> bytes:
    """The manifest of a library, as JSON: what it was made for and from, its hash, and its functions."""
    content = {
        "format": FORMAT,
        "target": target,
        "features": sorted(needed),
        "versions": {"streamrnn": __version__} | versions,
        "sources": digest_of_sources().hex(),
        "object_bytes": object.__basicsize__,
        "bytes": len(library),
        "sha256": hashlib.sha256(library).hexdigest(),
        "functions": [
            {"symbol": symbol, "path": path, **width._asdict(), "dtype": np.dtype(width.dtype).name}
            for (path, width), symbol in symbols.items()
        ],
    }
    return json.dumps(content, indent=1).encode("ascii") + b"\n"


def has(path: str, width: Width) -> bool:
    """Whether a library that can be used has a function."""
    return any((path, width) in library.symbols for library in _libraries())


def address_in_library(path: str, width: Width) -> int | None:
    """The address of a function in the first library that has it; None if none has. The library stays loaded for ever."""
    for library in _libraries():
        symbol = library.symbols.get((path, width))
        loaded = symbol and _loaded(library.path)
        if symbol and loaded:
            return ctypes.cast(loaded[symbol], ctypes.c_void_p).value
    return None


def why_unused() -> list[str]:
    """For each library that is there and cannot be used: where and why."""
    _libraries()
    return list(_unused.values())


_unused: dict[Path, str] = {}


@cache
def _libraries() -> tuple[Library, ...]:
    """The libraries that can be used here. If STREAMRNN_KERNELS names a folder that has none, that is said once."""
    found = []
    for name, manifest in ahead.manifests():
        is_the_wheels = manifest.parent == ahead.of_the_wheel()
        try:
            found.append(_checked(name, manifest, _check_in_wheel if is_the_wheels else _check_alone))
        except (OSError, ValueError) as error:
            _unused[manifest] = f"{manifest}: {error}"
    named = ahead.named_folder()
    if named and not any(library.path.parent == named for library in found):
        reasons = [why for manifest, why in _unused.items() if manifest.parent == named] or ["it holds no library of kernels"]
        warn_once("kernels", f"{ahead.FOLDER}={named}: nothing in it can be used: {'; '.join(reasons)}")
    return tuple(found)


def _checked(name: str, manifest: Path, check: Callable[[Path], None]) -> Library:
    """A library that may be loaded. Raises OSError or ValueError, with the reason, for any other."""
    check(manifest)
    content = json_object(_read(manifest, _LARGEST_MANIFEST))
    if content.get("format") != FORMAT or content.get("target") != name:
        raise ValueError(f"it is no manifest of format {FORMAT} for {name}")
    if not runs_here(name):
        raise ValueError(f"this CPU is not {name}")
    if content.get("sources") != digest_of_sources().hex():
        raise ValueError(f"it was made by another version of streamrnn than this one, {__version__}; make it anew")
    path = manifest.with_suffix(".so")
    check(path)
    if hashlib.sha256(_read(path, _LARGEST)).hexdigest() != content.get("sha256"):
        raise ValueError(f"{path.name} is not the library that the manifest describes; make both anew")
    try:
        return Library(path, dict(_functions(content)))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"its functions cannot be read ({error!r})") from None


def _functions(content: dict[str, Any]) -> Iterator[tuple[tuple[str, Width], str]]:
    knows_objects = content["object_bytes"] == object.__basicsize__
    for entry in content["functions"]:
        fields = {name: entry[name] for name in Width._fields} | {"dtype": np.dtype(entry["dtype"]).type}
        if knows_objects or not entry["path"].startswith(_OF_DOORS):
            yield (entry["path"], Width(**fields)), entry["symbol"]


def _check_alone(path: Path) -> None:
    """Raise OSError if another user could have written a file, or can exchange it."""
    check_private(path.parent)
    if not is_private(path.stat()):
        raise PermissionError(f"{path} belongs to another user, or others can write to it")


def _check_in_wheel(path: Path) -> None:
    """Raise OSError if somebody could have written a file who could not have written the Python code of the package."""
    package = path.parents[1]
    for inner, outer in ((path.parent, package), (path, package / "__init__.py")):
        if outer.exists() and not is_as_private(inner.stat(), outer.stat()):
            raise PermissionError(f"{inner} belongs to another user, or more can write to it than to {outer}")


def _read(path: Path, most: int) -> bytes:
    file, status = open_regular(path)
    with file:
        if status.st_size > most:
            raise ValueError(f"it has {status.st_size} bytes, more than {most}")
        return file.read(status.st_size + 1)


@cache
def _loaded(path: Path) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:  # a file system that executes nothing, for example
        _unused[path] = str(error)
        return None
