"""The kernels of models, and of all kinds of layers: found by their recipes and by what builders look like, not listed."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
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
from streamrnn.target.packed_form import packed_form
from streamrnn.target.packing import BFLOAT16, FLOAT16, INT8, DType, Width

#: The option of commands that compile.
Pools = Annotated[bool, typer.Option("--pools", help="Also compile the kernels of a StreamPool; a Bank layer uses them too.")]


def needed_by(models: Sequence[Model], pools: bool) -> list[Function]:
    """The functions of streams of the models, and with `pools` also of pools."""
    of_streams = [function for model in models for function in functions_of(model)]
    streamable = [model for model in models if pools and model.streamable]
    of_pools = [function for model in streamable for function in functions_of_pool(pool_plan_of(model), threads=2)]
    return list(dict.fromkeys(of_streams + of_pools))


def kernels(*, pools: bool, stored: Sequence[str] = ()) -> list[Function]:
    """Every kernel that a layer of any kind, variant, size and type may ask for on this CPU; of a pool too, where wanted.

    Those of a `StateOutput` are not among them, as they would double the number for a rare layer: a model names its own.

    stored  the types of stored weights (streamrnn/target/storage.py) whose kernels are wanted besides
    """
    found: list[Function] = []
    for kind, layer in KINDS.items():
        if layer.streamable:
            found += _of_builders(kind, pools, stored) if _exists(f"kernels.{kind}") else _of_recipes(layer, pools, stored)
    return list(dict.fromkeys(found))


def _types(stored: Sequence[str]) -> Iterator[tuple[DType, str | None]]:
    """Each type in which layers compute, with each in which their weights are stored: int8 is for float32 only."""
    for name, dtype in DTYPES.items():
        yield from ((dtype, one) for one in (None, *stored) if one != INT8 or name == "float32")


def _of_recipes(layer: type[Layer], pools: bool, stored: Sequence[str]) -> Iterator[Function]:
    """The kernels that are made from the recipes of a kind."""
    recipes = {f"cells.{layer.kind}.{name}": recipe for name, recipe in _recipes(layer.kind)}
    if issubclass(layer, OwnCell):
        recipes = {layer.own_path: layer.own_recipe}
    for path, recipe in recipes.items():
        driver = "pool" if recipe.states else "stream"
        for dtype, one in _types(stored if _can_store(layer) else ()):
            if _is_for(path, one, recipes):
                yield from (Function(f"{path}/stream", width) for width in widths(recipe.gates, dtype, packed_form(one)))
                of_pools = pool_widths(recipe.gates, dtype, one) if pools else ()
                yield from (Function(f"{path}/{driver}", width) for width in of_pools)


def _is_for(path: str, stored: str | None, recipes: Collection[str]) -> bool:
    """Whether layers with weights of a type may have a recipe: those of 16 bits have one whose rows are not scaled, where the
    kind has it, and others never do."""
    is_half = stored in (FLOAT16, BFLOAT16)
    if "plain" in path:
        return is_half
    plain = path.replace(".standard", ".plain") if ".standard" in path else f"{path}_plain"
    return not is_half or plain not in recipes


def _can_store(layer: type[Layer]) -> bool:
    """Whether layers of a kind can have weights of another type than that in which they compute."""
    return any(field.name == "stored" for field in fields(layer))  # type: ignore[arg-type]


def _of_builders(kind: str, pools: bool, stored: Sequence[str]) -> Iterator[Function]:
    """The kernels that the functions of a module build."""
    passes = next((recipe.gates for _, recipe in _recipes(kind)), ())
    room, pool_room = f"kernels.{kind}", f"kernels.pool.{kind}" if _exists(f"kernels.pool.{kind}") else f"kernels.{kind}"
    for dtype, one in _types(stored if _can_store(KINDS[kind]) else ()):
        for builder in _builders(import_module(f"streamrnn.{room}")):
            yield from (Function(f"{room}.{builder}", width) for width in widths(passes, dtype, packed_form(one)))
            of_pools = pool_widths(passes, dtype, one) if pools else ()
            yield from (Function(f"{pool_room}.{builder}", width) for width in of_pools)


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
