"""The kernels of all kinds of layers: found by what their builders look like, not listed."""

from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import FunctionType, ModuleType
from typing import get_args, get_type_hints

from streamrnn.code_cache import Function
from streamrnn.layers import KINDS
from streamrnn.layers.layer import DTYPES
from streamrnn.target.cpu import pool_widths, widths
from streamrnn.target.packing import Width


def kernels(*, pools: bool) -> list[Function]:
    """Every kernel that a layer of any kind, variant, size and type may ask for on this CPU; of a pool too, where wanted."""
    found: list[Function] = []
    for kind, layer in KINDS.items():
        if not layer.streamable:
            continue
        choices = [(dtype, passes) for dtype in DTYPES.values() for passes in layer.all_passes]
        found += _of_room(f"kernels.{kind}", (width for dtype, passes in choices for width in widths(passes, dtype)))
        if pools:
            room = f"kernels.pool.{kind}" if find_spec(f"streamrnn.kernels.pool.{kind}") else f"kernels.{kind}"
            found += _of_room(room, (width for dtype, passes in choices for width in pool_widths(passes, dtype)))
    return list(dict.fromkeys(found))


def _of_room(room: str, chosen: Iterable[Width]) -> Iterator[Function]:
    """Every builder of a module, for every width."""
    builders = list(_builders(import_module(f"streamrnn.{room}")))
    for width in dict.fromkeys(chosen):
        yield from (Function(f"{room}.{builder}", width) for builder in builders)


def _builders(module: ModuleType) -> Iterator[str]:
    """Names of a module's own public functions that take a width and make a function of four addresses."""
    for name, value in vars(module).items():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__ and not name.startswith("_"):
            hints = get_type_hints(value)
            made = get_args(hints.pop("return", None))
            if [*hints.values()] == [Width] and made and made[0] == [int] * 4:
                yield name
