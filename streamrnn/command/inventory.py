"""The kernels of all kinds of layers: found by what their builders look like, not listed."""

from collections.abc import Iterator
from importlib import import_module
from types import FunctionType, ModuleType
from typing import get_args, get_type_hints

from streamrnn.host import widths
from streamrnn.layers import KINDS
from streamrnn.layers.layer import DTYPES
from streamrnn.packing import Width
from streamrnn.store import Function


def kernels() -> list[Function]:
    """Every kernel that a layer of any kind, variant, size and type may ask for on this CPU."""
    found = []
    for kind, layer in KINDS.items():
        chosen = dict.fromkeys(
            width for dtype in DTYPES.values() for passes in layer.all_passes for width in widths(passes, dtype)
        )
        for builder in _builders(import_module(f"streamrnn.kernels.{kind}")):
            found += [Function(f"kernels.{kind}.{builder}", width) for width in chosen]
    return found


def _builders(module: ModuleType) -> Iterator[str]:
    """Names of a module's own public functions that take a width and make a function of four addresses."""
    for name, value in vars(module).items():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__ and not name.startswith("_"):
            hints = get_type_hints(value)
            made = get_args(hints.pop("return", None))
            if [*hints.values()] == [Width] and made and made[0] == [int] * 4:
                yield name
