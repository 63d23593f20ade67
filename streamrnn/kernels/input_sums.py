"""Input sums: bias + W x of every unit, computed ahead for a tile of steps.

In a chunk the inputs of all steps are known, so each weight can be loaded once for several steps. A step then loads these sums
and adds R h to them (streamrnn/kernels/step.py). The bits are those of single steps: every sum is rounded in the same order.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.kernels.cells import called
from streamrnn.kernels.integers import as_integers, emit_integer_sums, typed_as_integers
from streamrnn.kernels.panel import Part
from streamrnn.recipe import Recipe, Section, X
from streamrnn.simd.memory import INT, bytes_of, emit_load, emit_load_int, emit_store
from streamrnn.simd.multiply import Weights, emit_products
from streamrnn.simd.vector import Vec, llvm_type, numba_type
from streamrnn.target.cpu import n_registers
from streamrnn.target.packing import Width
from streamrnn.target.panels import Positions, bias_bytes, row_bytes

#: Rows of a panel that are multiplied with the inputs of all steps before the next rows: few enough to stay in the first cache.
ROWS_AT_ONCE = 64

#: Vectors of sums, and steps, whose sums are in registers at once, at most.
_MOST_VECTORS, _MOST_STEPS = 4, 8


def input_sums(recipe: Recipe, width: Width) -> Part:
    """A kernel part (table, source, n_steps, target) that computes the input sums of a tile of steps. All four are int64.

    table    address of the op's table, whose words `Positions` names
    source   address of the inputs, [step][value]
    n_steps  steps of the tile
    target   address for the sums, [step][pass][panel][sum][block][lane]
    """
    positions = Positions(recipe)
    part = as_integers(recipe, X, width) if width.has_integers else None

    @intrinsic
    def make(typingctx: Any, table: types.Type, source: types.Type, n_steps: types.Type, target: types.Type) -> Any:
        conversion = None if part is None else typed_as_integers(typingctx, part)

        def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            table, source, n_steps, target = args

            def word(position: int) -> ir.Value:
                return emit_load_int(builder, builder.add(table, INT(8 * position)))

            fed = [(index, s) for index, one in enumerate(recipe.passes) for s in one.sections if s.vector == X]
            if conversion is not None:
                n_values = word(positions.n_rows(fed[0][0], X))
                integers, most = word(positions.integers(X)), word(positions.most_input(X))
                with cgutils.for_range(builder, n_steps) as loop:
                    inputs = builder.add(source, builder.mul(loop.index, builder.mul(n_values, INT(width.itemsize))))
                    room = builder.add(integers, builder.mul(loop.index, word(positions.integer_bytes(X))))
                    called(context, conversion)(builder, [inputs, n_values, room, most])
            sum_bytes = {index: len(section.sums) * width.panel_bytes for index, section in fed}
            step_bytes = emit_step_bytes(builder, recipe, width, word)
            for index, section in fed:
                n_panels = word(positions.n_panels(index))
                with cgutils.for_range(builder, n_panels) as loop:
                    offset = builder.mul(loop.index, word(positions.panel_bytes(index, X)))
                    weights = builder.add(word(positions.address(index, X)), offset)
                    sums = builder.add(target, builder.mul(loop.index, INT(sum_bytes[index])))
                    n_rows = word(positions.n_rows(index, X))
                    if conversion is None:
                        _emit_panel(builder, width, section, weights, n_rows, source, n_steps, sums, step_bytes)
                    else:
                        panel = _IntegerPanel(builder, recipe, width, section, weights, n_rows, sums, step_bytes)
                        panel.emit(integers, word(positions.integer_bytes(X)), n_steps)
                target = builder.add(target, builder.mul(n_panels, INT(sum_bytes[index])))
            return context.get_dummy_value()

        return signature(types.void, *[types.int64] * 4), codegen

    return make


def emit_step_bytes(builder: ir.IRBuilder, recipe: Recipe, width: Width, word: Callable[[int], ir.Value]) -> ir.Value:
    """The bytes from the input sums of one step to those of the next. `word` emits a word of the table."""
    step_bytes, positions = INT(0), Positions(recipe)
    for index, one in enumerate(recipe.passes):
        if n_bytes := one.input_sums * width.panel_bytes:
            step_bytes = builder.add(step_bytes, builder.mul(word(positions.n_panels(index)), INT(n_bytes)))
    return step_bytes


def _emit_panel(
    builder: ir.IRBuilder,
    width: Width,
    section: Section,
    weights: ir.Value,
    n_rows: ir.Value,
    source: ir.Value,
    n_steps: ir.Value,
    sums: ir.Value,
    step_bytes: ir.Value,
) -> None:
    """The input sums of one panel for all steps: a few rows of weights at a time, and of each row a few vectors at a time.

    weights     address of the panel: a row of biases, then `n_rows` rows of weights
    source      address of the inputs, [step][value]
    sums        address for the sums of the first step
    step_bytes  bytes from the sums of one step to those of the next
    """
    vectors = len(section.sums) * width.blocks
    n_groups = -(-vectors // _MOST_VECTORS)
    input_bytes = builder.mul(n_rows, INT(width.itemsize))
    with cgutils.for_range_slice(builder, INT(0), n_rows, INT(ROWS_AT_ONCE), inc=True) as (row, _):
        left = builder.sub(n_rows, row)
        count = builder.select(builder.icmp_signed("<", left, INT(ROWS_AT_ONCE)), left, INT(ROWS_AT_ONCE))
        rows = builder.add(weights, INT(bias_bytes(width, section)))
        loads = builder.udiv(row, INT(width.rows_at_once))
        rows = builder.add(rows, builder.mul(loads, INT(row_bytes(width, section))))
        inputs = builder.add(source, builder.mul(row, INT(width.itemsize)))
        is_first = builder.icmp_signed("==", row, INT(0))  # the first rows add to the biases, where these are
        begin, begin_bytes = builder.select(is_first, weights, sums), builder.select(is_first, INT(0), step_bytes)
        tile = _Tile(builder, width, section, rows, count, inputs, input_bytes, begin, begin_bytes, sums, step_bytes)
        for number in range(n_groups):
            group = range(vectors * number // n_groups, vectors * (number + 1) // n_groups)
            held = len(group) * width.rows_at_once  # vectors of weights
            at_once = min(_MOST_STEPS, max(1, (n_registers(width) - held - 1) // len(group)))
            whole = builder.sub(n_steps, builder.srem(n_steps, INT(at_once)))
            with cgutils.for_range_slice(builder, INT(0), whole, INT(at_once), inc=True) as (step, _):
                tile.emit(group, step, at_once)
            with cgutils.for_range_slice(builder, whole, n_steps, INT(1), inc=True) as (step, _):
                tile.emit(group, step, 1)


class _IntegerPanel(NamedTuple):
    """The input sums of one panel with weights of integers; addresses and sizes as in `_emit_panel`."""

    builder: ir.IRBuilder
    recipe: Recipe
    width: Width
    section: Section
    weights: ir.Value
    n_rows: ir.Value
    sums: ir.Value
    step_bytes: ir.Value

    def emit(self, integers: ir.Value, integer_bytes: ir.Value, n_steps: ir.Value) -> None:
        """Emit all rows at once, for a few vectors and a few steps at a time.

        integers  address of the inputs of the first step as integers, `integer_bytes` before those of the next
        """
        builder, vectors = self.builder, len(self.section.sums) * self.width.blocks
        n_groups = -(-vectors // _MOST_VECTORS)
        planes = 2 if self.width.rows_at_once == 4 else 1  # sums of integers of each vector, and registers of each input
        for number in range(n_groups):
            group = range(vectors * number // n_groups, vectors * (number + 1) // n_groups)
            at_once = max(1, min(_MOST_STEPS, (n_registers(self.width) - 1) // (planes * (len(group) + 1))))
            whole = builder.sub(n_steps, builder.srem(n_steps, INT(at_once)))
            for begin, end, count in ((INT(0), whole, at_once), (whole, n_steps, 1)):
                with cgutils.for_range_slice(builder, begin, end, INT(count), inc=True) as (step, _):
                    steps = [builder.add(step, INT(n)) for n in range(count)]
                    inputs = [builder.add(integers, builder.mul(one, integer_bytes)) for one in steps]
                    self._emit_group(group, inputs, [builder.mul(one, self.step_bytes) for one in steps])

    def _emit_group(self, group: range, inputs: list[ir.Value], offsets: list[ir.Value]) -> None:
        builder, vec = self.builder, Vec(numba_type(self.width.dtype), self.width.lanes)
        places = [INT(n * bytes_of(vec)) for n in group]
        biases = [emit_load(builder, builder.add(self.weights, place), llvm_type(vec)) for place in places]
        first = biases * len(inputs)
        args = (self.recipe, self.width, self.section, first, self.weights, inputs, self.n_rows, 0, group)
        targets = [builder.add(builder.add(self.sums, offset), place) for offset in offsets for place in places]
        for address, value in zip(targets, emit_integer_sums(builder, *args), strict=True):
            emit_store(builder, address, value)


class _Tile(NamedTuple):
    """Some rows of weights of a panel, to be multiplied with the inputs of several steps.

    rows                address of the first row of weights, `count` their number
    inputs, begin, end  addresses, for the first step, of the inputs, of the sums to add to, and for the sums to write
    <name>_bytes        bytes from one step to the next, of each of them
    """

    builder: ir.IRBuilder
    width: Width
    section: Section
    rows: ir.Value
    count: ir.Value
    inputs: ir.Value
    input_bytes: ir.Value
    begin: ir.Value
    begin_bytes: ir.Value
    end: ir.Value
    end_bytes: ir.Value

    def emit(self, group: range, step: ir.Value, n_steps: int) -> None:
        """Emit the vectors of a group, for `n_steps` steps beginning with `step`."""
        builder, width = self.builder, self.width
        vec = Vec(numba_type(width.dtype), width.lanes)
        kind = Weights(vec, width.stored)

        def of_steps(address: ir.Value, stride: ir.Value) -> list[ir.Value]:
            return [builder.add(address, builder.mul(builder.add(step, INT(n)), stride)) for n in range(n_steps)]

        def of_vectors(address: ir.Value, stride: ir.Value) -> list[ir.Value]:
            return [builder.add(row, INT(n * bytes_of(vec))) for row in of_steps(address, stride) for n in group]

        first = [emit_load(builder, address, llvm_type(vec)) for address in of_vectors(self.begin, self.begin_bytes)]
        rows = builder.add(self.rows, INT(group[0] * kind.n_bytes))
        inputs = of_steps(self.inputs, self.input_bytes)
        results = emit_products(builder, kind, first, rows, row_bytes(width, self.section), inputs, self.count)
        for address, value in zip(of_vectors(self.end, self.end_bytes), results, strict=True):
            emit_store(builder, address, value)
