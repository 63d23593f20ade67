"""From a recipe (streamrnn/recipe.py) to the passes that the kernels of the GPU take."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.cuda.kernels.device import arithmetic
from streamrnn.cuda.kernels.parts import NONE, NOTHING, DeviceRecipe, Pass, Row, Section
from streamrnn.kernels.cells import compiled_cell
from streamrnn.kernels.exponential import flush_to_zero
from streamrnn.kernels.inline import inline
from streamrnn.recipe import OPTIONS, Recipe, X
from streamrnn.recipe import Pass as RecipePass
from streamrnn.recipe import Section as RecipeSection
from streamrnn.simd.memory import INT, emit_load
from streamrnn.simd.vector import Vec, as_number, llvm_type

#: The most that a kernel of the GPU has room for: passes, sums of a pass, vectors that a cell reads or writes.
MOST_PASSES, MOST_SUMS, MOST_VECTORS = 2, 4, 2


def why_not(recipe: Recipe) -> str | None:
    """Why the kernels of the GPU cannot run a recipe: what they have no room for. None: they can."""
    if recipe.gathered:
        return "vectors that a kernel gathers from the past"
    if len(recipe.passes) > MOST_PASSES:
        return f"more than {MOST_PASSES} passes"
    for one in recipe.passes:
        reads = [name for name in one.reads if name not in recipe.per_unit]
        if len(one.sums) > MOST_SUMS:
            return f"more than {MOST_SUMS} sums in a pass"
        if len(reads) > MOST_VECTORS or len(one.writes) > MOST_VECTORS:
            return f"a cell that reads or writes more than {MOST_VECTORS} vectors"
        if sum(vector != X for vector in one.feeds) > 1:
            return "a pass with weights for more than one vector besides the inputs"
        if one.writes[0] != recipe.output and recipe.output in one.writes:
            return "a cell that returns the output, but not first"
        if any(_row(one, names) is None for section in one.sections for names in (section.begins, section.sums)):
            return "sums that a vector feeds in another order than the one in which they begin"
    return None


@cache
def on_device(recipe: Recipe) -> DeviceRecipe:
    """The passes of a recipe for which `why_not` returns None."""
    read = {name for one in recipe.passes for name in (*one.feeds, *one.reads)}
    vectors = [*recipe.states, *(name for name in recipe.between if name in read)]
    number = {name: index for index, name in enumerate(vectors)}
    passes = []
    for one in recipe.passes:
        sections = {section.vector: section for section in one.sections}
        multiplied = next((name for name in one.feeds if name != X), None)
        reads = [number[name] for name in one.reads if name not in recipe.per_unit]
        writes = [number.get(name, NONE) for name in one.writes]
        passes.append(
            Pass(
                n_states=len(recipe.states),
                n_sums=len(one.sums),
                inputs=_section(recipe, one, sections[X]) if X in sections else NOTHING,
                recurrent=_section(recipe, one, sections[multiplied]) if multiplied else NOTHING,
                multiplied=number[multiplied] if multiplied else NONE,
                reads=_two(reads),
                writes=_two(writes),
                gives=one.writes[0] == recipe.output,
                cell=_cell(recipe, one),
            )
        )
    return DeviceRecipe(tuple(passes), recipe.distribution)


def _two(vectors: Sequence[int]) -> tuple[int, int]:
    first, second = (*vectors, NONE, NONE)[:2]
    return first, second


def _row(one: RecipePass, names: Sequence[str]) -> Row | None:
    """The row whose gates feed these sums; None where `Row` cannot describe it."""
    indices = [one.sums.index(name) for name in names]
    kept = next((gate for gate, index in enumerate(indices) if index != gate), len(indices))
    shifts = {index - gate for gate, index in enumerate(indices) if gate >= kept}
    return Row(len(indices), kept, shifts.pop() if shifts else 0) if len(shifts) < 2 else None


def _section(recipe: Recipe, one: RecipePass, section: RecipeSection) -> Section:
    biases, weights = _row(one, section.begins), _row(one, section.sums)
    assert biases is not None
    assert weights is not None
    return Section(biases, weights, section.vector in recipe.bounded)


def _cell(recipe: Recipe, one: RecipePass) -> Any:
    """The cell of a pass as kernels call it: (options, unit, padded, four sums, two vectors) -> two numbers."""
    cell, arguments = compiled_cell(one.cell), _arguments(recipe, one)
    finish = flush_to_zero if one.flushed else _unchanged
    if OPTIONS in one.parameters:
        order = [name for name in one.parameters if name != OPTIONS]
        assert one.parameters == (*order, OPTIONS), "options come last"

        @arithmetic
        def with_options(options, unit, padded, s, t, u, v, a, b):
            first, second = _both(cell(*arguments((s, t, u, v, a, b), options, unit, padded), options))
            return as_number(finish(first)), as_number(finish(second))

        return with_options

    @arithmetic
    def without(options, unit, padded, s, t, u, v, a, b):
        first, second = _both(cell(*arguments((s, t, u, v, a, b), options, unit, padded)))
        return as_number(finish(first)), as_number(finish(second))

    return without


def _arguments(recipe: Recipe, one: RecipePass) -> Any:
    """A part (numbers, options, unit, padded) -> the arguments of a cell without the options, as vectors of one lane."""
    order = [name for name in one.parameters if name != OPTIONS]
    reads = [name for name in one.reads if name not in recipe.per_unit]

    @intrinsic
    def arguments(typingctx: Any, values: types.Type, options: types.Type, unit: types.Type, padded: types.Type) -> Any:
        vec = Vec(values.dtype, 1)

        def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            numbers, options, unit, padded = args

            def value(name: str) -> ir.Value:
                if name in one.sums:
                    return builder.extract_value(numbers, one.sums.index(name))
                if name not in recipe.per_unit:
                    return builder.extract_value(numbers, MOST_SUMS + reads.index(name))
                before = builder.mul(padded, INT(recipe.per_unit.index(name)))
                index = builder.add(INT(recipe.n_options), builder.add(before, unit))
                address = builder.add(options, builder.mul(index, INT(vec.dtype.bitwidth // 8)))
                return emit_load(builder, address, llvm_type(vec))

            return cgutils.pack_array(builder, [value(name) for name in order])

        return signature(types.UniTuple(vec, len(order)), values, types.int64, types.int64, types.int64), codegen

    return arguments


@inline
def _unchanged(value):
    return value


@intrinsic
def _both(typingctx: Any, results: types.Type) -> Any:
    """The results of a cell as two vectors; a single result is taken twice."""
    is_single = isinstance(results, Vec)
    vec = results if is_single else results.dtype

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        given = [args[0]] * 2 if is_single else [builder.extract_value(args[0], index) for index in range(2)]
        return cgutils.pack_array(builder, given)

    return signature(types.UniTuple(vec, 2), results), codegen
