"""The kernels of models, and of all kinds of layers: found by their recipes and by what builders look like, not listed."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from types import FunctionType, ModuleType
from typing import Annotated, get_args, get_type_hints

import typer

from streamrnn.code_cache import Function
from streamrnn.layers import KINDS, Layer, OwnCell
from streamrnn.layers.layer import DTYPES
from streamrnn.model import Model
from streamrnn.plan import pool_plan_of
from streamrnn.pool.compiled_door import functions_of_pool
from streamrnn.readiness import functions_of
from streamrnn.recipe import Recipe
from streamrnn.target.cpu import pool_widths, widths
from streamrnn.target.packing import Width

#: The option of commands that compile.
Pools = Annotated[bool, typer.Option("--pools", help="Also compile the kernels of a StreamPool; a Bank layer uses them too.")]


def needed_by(models: Sequence[Model], pools: bool) -> list[Function]:
    """The functions of streams of the models, and with `pools` also of pools."""
    of_streams = [function for model in models for function in functions_of(model)]
    streamable = [model for model in models if pools and model.streamable]
    of_pools = [function for model in streamable for function in functions_of_pool(pool_plan_of(model), threads=2)]
    return list(dict.fromkeys(of_streams + of_pools))


def kernels(*, pools: bool) -> list[Function]:
    """Every kernel that a layer of any kind, variant, size and type may ask for on this CPU; of a pool too, where wanted."""
    found: list[Function] = []
    for kind, layer in KINDS.items():
        if layer.streamable:
            found += _of_builders(kind, pools) if _exists(f"kernels.{kind}") else _of_recipes(layer, pools)
    return list(dict.fromkeys(found))


def _of_recipes(layer: type[Layer], pools: bool) -> Iterator[Function]:
    """The kernels that are made from the recipes of a kind."""
    recipes = {f"cells.{layer.kind}.{name}": recipe for name, recipe in _recipes(layer.kind)}
    if issubclass(layer, OwnCell):
        recipes = {layer.own_path: layer.own_recipe}
    for path, recipe in recipes.items():
        for dtype in DTYPES.values():
            yield from (Function(f"{path}/stream", width) for width in widths(recipe.gates, dtype))
            driver = "pool" if recipe.states else "stream"
            yield from (Function(f"{path}/{driver}", width) for width in (pool_widths(recipe.gates, dtype) if pools else ()))


def _of_builders(kind: str, pools: bool) -> Iterator[Function]:
    """The kernels that the functions of a module build."""
    passes = next((recipe.gates for _, recipe in _recipes(kind)), ())
    room, pool_room = f"kernels.{kind}", f"kernels.pool.{kind}" if _exists(f"kernels.pool.{kind}") else f"kernels.{kind}"
    for dtype in DTYPES.values():
        for builder in _builders(import_module(f"streamrnn.{room}")):
            yield from (Function(f"{room}.{builder}", width) for width in widths(passes, dtype))
            yield from (Function(f"{pool_room}.{builder}", width) for width in (pool_widths(passes, dtype) if pools else ()))


def _exists(module: str) -> bool:
    return find_spec(f"streamrnn.{module}") is not None


def _recipes(kind: str) -> Iterator[tuple[str, Recipe]]:
    """The recipes of a kind, by name."""
    if _exists(f"cells.{kind}"):
        for name, value in vars(import_module(f"streamrnn.cells.{kind}")).items():
            if isinstance(value, Recipe):
                yield name, value


def _builders(module: ModuleType) -> Iterator[str]:
    """Names of a module's own public functions that take a width and make a function of four addresses."""
    for name, value in vars(module).items():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__ and not name.startswith("_"):
            hints = get_type_hints(value)
            made = get_args(hints.pop("return", None))
            if [*hints.values()] == [Width] and made and made[0] == [int] * 4:
                yield name
