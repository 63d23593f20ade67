"""One step of one stream through all passes of a recipe, panel by panel, as one part of a kernel."""

from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.kernels.cells import Cell, typed_cell
from streamrnn.kernels.panel import Part
from streamrnn.recipe import Recipe, Section, X
from streamrnn.simd.memory import INT, bytes_of, emit_load
from streamrnn.simd.multiply import emit_products, emit_weights
from streamrnn.simd.vector import llvm_type, numba_type
from streamrnn.target.cpu import SECOND_CACHE
from streamrnn.target.packing import Width
from streamrnn.target.panels import Positions, bias_bytes, row_bytes

Keys = list[tuple[str, int]]
Sums = dict[tuple[str, int], ir.Value]


def step_of_stream(recipe: Recipe, width: Width) -> Part:
    """A kernel part (table, source, input_sums, backwards) that takes a step.

    table       what `Positions` says, as a tuple of integers
    source      the address of the step's inputs
    input_sums  that of the sums that were made ahead of them (streamrnn/kernels/input_sums.py); 0: none
    backwards   whether panels are taken from the last to the first: what the caches have kept of a layer that is larger than
                they are is its end, so every other step begins there
    """
    positions = Positions(recipe)
    many = types.UniTuple(types.int64, positions.count)

    @intrinsic
    def step(typingctx: Any, table: types.Type, source: types.Type, input_sums: types.Type, backwards: types.Type) -> Any:
        cells = [typed_cell(typingctx, one, width) for one in recipe.passes]

        def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            packed, source, input_sums, backwards = args
            table = cgutils.unpack_tuple(builder, packed)
            now = {name: table[positions.now(name)] for name in positions.vectors}
            then = {name: table[positions.then(name)] for name in positions.vectors}
            for index, cell in enumerate(cells):
                n_panels = table[positions.n_panels(index)]
                with cgutils.for_range(builder, n_panels) as loop:
                    last_first = builder.sub(builder.sub(n_panels, INT(1)), loop.index)
                    panel = builder.select(cgutils.is_not_null(builder, backwards), last_first, loop.index)
                    sums = _Sums(builder, cell, index, positions, table, now, source, input_sums).of_panel(panel)
                    offset = builder.mul(panel, INT(width.panel_bytes))
                    cell.emit(context, builder, sums, now, then, table[Positions.OPTIONS], offset)
                if input_bytes := cell.one.input_sums * width.panel_bytes:
                    following = builder.add(input_sums, builder.mul(n_panels, INT(input_bytes)))
                    input_sums = builder.select(cgutils.is_not_null(builder, input_sums), following, input_sums)
            return context.get_dummy_value()

        return signature(types.void, many, types.int64, types.int64, types.int64), codegen

    return step


class _Sums(NamedTuple):
    """What emits the sums of a pass.

    number      of the pass
    now         the addresses of the vectors
    source      that of the inputs
    input_sums  that of what was made of them ahead; 0: nothing
    """

    builder: ir.IRBuilder
    cell: Cell
    number: int
    positions: Positions
    table: Sequence[ir.Value]
    now: Mapping[str, ir.Value]
    source: ir.Value
    input_sums: ir.Value

    def of_panel(self, panel: ir.Value) -> Sums:
        """The sums of a panel: biases and products, section by section."""
        sums: Sums = {}
        for section in self.cell.one.sections:
            fed = [(name, block) for name in section.sums for block in range(self.cell.width.blocks)]
            sums |= dict(zip(fed, self._with_section(sums, section, fed, panel), strict=True))
        return sums

    def _with_section(self, sums: Sums, section: Section, fed: Keys, panel: ir.Value) -> list[ir.Value]:
        builder, width = self.builder, self.cell.width
        n_rows = self.table[self.positions.n_rows(self.number, section.vector)]
        is_ahead = cgutils.is_not_null(builder, self.input_sums)
        if section.vector == X:
            return emit_either(
                builder,
                is_ahead,
                lambda: self._made_ahead(section, panel),
                lambda: self._products(sums, section, fed, panel, n_rows, width.ahead),
            )
        if not width.ahead:
            return self._products(sums, section, fed, panel, n_rows, 0)
        # without the input weights the rest of a layer is smaller, and may stay in the second cache
        most_near = INT(isqrt(SECOND_CACHE // (len(section.sums) * width.stored_itemsize)))
        return emit_either(
            builder,
            builder.and_(is_ahead, builder.icmp_signed("<=", n_rows, most_near)),
            lambda: self._products(sums, section, fed, panel, n_rows, 0),
            lambda: self._products(sums, section, fed, panel, n_rows, width.ahead),
        )

    def _made_ahead(self, section: Section, panel: ir.Value) -> list[ir.Value]:
        """The sums that the inputs feed, as they were made for this step."""
        builder, width, vec = self.builder, self.cell.width, self.cell.vec
        first = builder.add(self.input_sums, builder.mul(panel, INT(len(section.sums) * width.panel_bytes)))
        n_vectors = len(section.sums) * width.blocks
        return [emit_load(builder, builder.add(first, INT(n * bytes_of(vec))), llvm_type(vec)) for n in range(n_vectors)]

    def _products(
        self, sums: Sums, section: Section, fed: Keys, panel: ir.Value, n_rows: ir.Value, ahead: int
    ) -> list[ir.Value]:
        """The sums that a vector feeds, its products added; those that begin here are biases."""
        builder, width, vec = self.builder, self.cell.width, self.cell.vec
        stored, vector = numba_type(width.stored_dtype), section.vector
        before = builder.mul(panel, self.table[self.positions.panel_bytes(self.number, vector)])
        weights = builder.add(self.table[self.positions.address(self.number, vector)], before)
        begun, begins = dict(sums), [(name, block) for name in section.begins for block in range(width.blocks)]
        for n, key in enumerate(begins):
            bias = builder.add(weights, INT(n * bytes_of(vec.with_dtype(stored))))
            begun[key] = emit_weights(builder, bias, vec, stored)
        rows, inputs = builder.add(weights, INT(bias_bytes(width, section))), self.source if vector == X else self.now[vector]
        first = [begun[key] for key in fed]
        return emit_products(builder, vec, stored, first, rows, row_bytes(width, section), [inputs], n_rows, ahead)


def emit_either(builder: ir.IRBuilder, condition: ir.Value, first: Any, second: Any) -> list[ir.Value]:
    """The values that `first()` emits where the condition holds, else those of `second()`."""
    with builder.if_else(condition) as (then, otherwise):
        with then:
            one = first()
            from_one = builder.block
        with otherwise:
            other = second()
            from_other = builder.block
    results = []
    for value, instead in zip(one, other, strict=True):
        phi = builder.phi(value.type)
        phi.add_incoming(value, from_one)
        phi.add_incoming(instead, from_other)
        results.append(phi)
    return results
