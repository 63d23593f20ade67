"""One step of one stream through all passes of a recipe, panel by panel, as one part of a kernel."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isqrt
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.kernels.cells import Cell, typed_cell
from streamrnn.kernels.panel import Part
from streamrnn.recipe import Recipe, Section, X
from streamrnn.simd.memory import INT, bytes_of, emit_load, emit_load_int
from streamrnn.simd.multiply import emit_products, emit_weights
from streamrnn.simd.vector import llvm_type, numba_type
from streamrnn.target.cpu import SECOND_CACHE
from streamrnn.target.packing import Width
from streamrnn.target.panels import Positions, bias_bytes, row_bytes

Keys = list[tuple[str, int]]
Sums = dict[tuple[str, int], ir.Value]


def step_of_stream(recipe: Recipe, width: Width) -> Part:
    """A kernel part (table, source, input_sums, backwards) that takes a step.

    table       the address of what `Positions` says
    source      the address of the step's inputs
    input_sums  that of the sums that were made ahead of them (streamrnn/kernels/input_sums.py); 0: none
    backwards   whether panels are taken from the last to the first: what the caches have kept of a layer that is larger than
                they are is its end, so every other step begins there
    """
    positions = Positions(recipe)

    @intrinsic
    def step(typingctx: Any, table: types.Type, source: types.Type, input_sums: types.Type, backwards: types.Type) -> Any:
        cells = [typed_cell(typingctx, one, width) for one in recipe.passes]

        def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            table, source, input_sums, backwards = args
            for index, cell in enumerate(cells):
                of_pass = _Pass(builder, cell, index, positions, table, source, input_sums)
                n_panels = of_pass.word(positions.n_panels(index))
                now = {name: of_pass.word(positions.now(name)) for name in cell.one.reads}
                then = {name: of_pass.word(positions.then(name)) for name in cell.one.writes}
                options = of_pass.word(Positions.OPTIONS)
                with _panels(builder, backwards, of_pass.ranges(n_panels), n_panels, width) as (offset, *places):
                    cell.emit(context, builder, of_pass.sums(places), now, then, options, offset)
                if input_bytes := cell.one.input_sums * width.panel_bytes:
                    following = builder.add(input_sums, builder.mul(n_panels, INT(input_bytes)))
                    input_sums = builder.select(cgutils.is_not_null(builder, input_sums), following, input_sums)
            return context.get_dummy_value()

        return signature(types.void, *[types.int64] * 4), codegen

    return step


#: What moves from panel to panel: where it is at the first panel and at the last, and the bytes in between.
Range = tuple[ir.Value, ir.Value, ir.Value]


@contextmanager
def _panels(
    builder: ir.IRBuilder, backwards: ir.Value, ranges: list[Range], n_panels: ir.Value, width: Width
) -> Iterator[list[ir.Value]]:
    """A loop over the panels of a pass: the offset of a panel's units, and each range's place.

    No multiplication stands before the loads of the first panel, which may be the only one. LLVM cannot tell from the steps how
    many panels there are, so it does not unroll the loop.
    """
    last_offset = builder.mul(builder.sub(n_panels, INT(1)), INT(width.panel_bytes))
    moving = [(INT(0), last_offset, INT(width.panel_bytes)), *ranges]
    reverse = cgutils.is_not_null(builder, backwards)
    begins = [builder.select(reverse, last, first) for first, last, _ in moving]
    steps = [builder.select(reverse, builder.neg(step), step) for _, _, step in moving]
    end = builder.select(reverse, INT(0), last_offset)
    before, body, after = builder.block, builder.append_basic_block("panel"), builder.append_basic_block("panels.end")
    builder.cbranch(builder.icmp_signed(">", n_panels, INT(0)), body, after)
    builder.position_at_end(body)
    phis = [builder.phi(INT) for _ in moving]
    yield phis
    for phi, begin, step in zip(phis, begins, steps, strict=True):
        phi.add_incoming(begin, before)
        phi.add_incoming(builder.add(phi, step), builder.block)
    builder.cbranch(builder.icmp_signed("==", phis[0], end), after, body)
    builder.position_at_end(after)


class _Pass(NamedTuple):
    """What emits a pass.

    Words of the table are loaded where a pass begins: a single step needs each of them once.

    number      of the pass
    table       the address of the table
    source      that of the inputs
    input_sums  that of what was made of them ahead, of the first panel; 0: nothing
    """

    builder: ir.IRBuilder
    cell: Cell
    number: int
    positions: Positions
    table: ir.Value
    source: ir.Value
    input_sums: ir.Value

    def word(self, position: int) -> ir.Value:
        """What the table has at a position."""
        return emit_load_int(self.builder, self.builder.add(self.table, INT(8 * position)))

    def ranges(self, n_panels: ir.Value) -> list[Range]:
        """The weights of each section, and what was made ahead."""
        found = []
        for section in self.cell.one.sections:
            where = self.number, section.vector
            first, last = self.word(self.positions.address(*where)), self.word(self.positions.last_address(*where))
            found.append((first, last, self.word(self.positions.panel_bytes(*where))))
        n_bytes = INT(self.cell.one.input_sums * self.cell.width.panel_bytes)
        before_last = self.builder.mul(self.builder.sub(n_panels, INT(1)), n_bytes)
        return [*found, (self.input_sums, self.builder.add(self.input_sums, before_last), n_bytes)]

    def sums(self, places: Sequence[ir.Value]) -> Sums:
        """The sums of a panel: biases and products, section by section. `places` are those of the ranges."""
        sums: Sums = {}
        for section, weights in zip(self.cell.one.sections, places[:-1], strict=True):
            fed = [(name, block) for name in section.sums for block in range(self.cell.width.blocks)]
            sums |= dict(zip(fed, self._with_section(sums, section, fed, weights, places[-1]), strict=True))
        return sums

    def _with_section(self, sums: Sums, section: Section, fed: Keys, weights: ir.Value, made_ahead: ir.Value) -> list[ir.Value]:
        builder, width = self.builder, self.cell.width
        n_rows = self.word(self.positions.n_rows(self.number, section.vector))
        is_ahead = cgutils.is_not_null(builder, self.input_sums)
        if section.vector == X:
            return emit_either(
                builder,
                is_ahead,
                lambda: self._loaded(made_ahead, len(fed)),
                lambda: self._products(sums, section, fed, weights, n_rows, width.ahead),
            )
        if not width.ahead:
            return self._products(sums, section, fed, weights, n_rows, 0)
        # without the input weights the rest of a layer is smaller, and may stay in the second cache
        most_near = INT(isqrt(SECOND_CACHE // (len(section.sums) * width.stored_itemsize)))
        return emit_either(
            builder,
            builder.and_(is_ahead, builder.icmp_signed("<=", n_rows, most_near)),
            lambda: self._products(sums, section, fed, weights, n_rows, 0),
            lambda: self._products(sums, section, fed, weights, n_rows, width.ahead),
        )

    def _loaded(self, address: ir.Value, n_vectors: int) -> list[ir.Value]:
        """The sums that the inputs feed, as they were made for this step."""
        builder, vec = self.builder, self.cell.vec
        return [emit_load(builder, builder.add(address, INT(n * bytes_of(vec))), llvm_type(vec)) for n in range(n_vectors)]

    def _products(
        self, sums: Sums, section: Section, fed: Keys, weights: ir.Value, n_rows: ir.Value, ahead: int
    ) -> list[ir.Value]:
        """The sums that a vector feeds, its products added; those that begin here are biases."""
        builder, width, vec = self.builder, self.cell.width, self.cell.vec
        stored = numba_type(width.stored_dtype)
        begun, begins = dict(sums), [(name, block) for name in section.begins for block in range(width.blocks)]
        for n, key in enumerate(begins):
            bias = builder.add(weights, INT(n * bytes_of(vec.with_dtype(stored))))
            begun[key] = emit_weights(builder, bias, vec, stored)
        rows = builder.add(weights, INT(bias_bytes(width, section)))
        inputs = self.source if section.vector == X else self.word(self.positions.now(section.vector))
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
