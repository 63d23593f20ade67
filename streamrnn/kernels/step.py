"""One step of one stream: all passes of a recipe, panel by panel.

The step is written in LLVM's IR as an intrinsic, which the kernel calls (streamrnn/kernels/stream.py). For each panel of units
it adds up the sums in registers (bias, then the products with each vector, in the order of the recipe), and calls the cell.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isqrt
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.kernels.cells import Cell, called, typed_cell
from streamrnn.kernels.coming import Coming, is_beside, n_parts
from streamrnn.kernels.input_sums import emit_step_bytes
from streamrnn.kernels.integers import as_integers, emit_integer_sums, typed_as_integers
from streamrnn.kernels.panel import Part
from streamrnn.recipe import Recipe, Section, X
from streamrnn.simd.memory import INT, bytes_of, emit_load, emit_load_int
from streamrnn.simd.multiply import Product, Weights, emit_products
from streamrnn.simd.vector import llvm_type
from streamrnn.target.cpu import COMING_STEPS
from streamrnn.target.packing import Width
from streamrnn.target.panels import Positions, row_bytes, rows_at

#: Bytes of weights that the second cache holds, about, of a CPU on which fetching ahead pays (streamrnn/target/cpu.py).
_SECOND_CACHE = 3 << 19

Keys = list[tuple[str, int]]
Sums = dict[tuple[str, int], ir.Value]


def step_of_stream(recipe: Recipe, width: Width) -> Part:
    """A kernel part (table, source, input_sums, backwards, share) that takes one step. All five are int64.

    table       address of the op's table, whose words `Positions` names
    source      address of the step's inputs, (input_size,)
    input_sums  address of the step's input sums, computed ahead (streamrnn/kernels/input_sums.py); 0: compute them here
    backwards   1 takes the panels from the last to the first, 0 from the first to the last. Every other step goes backwards: of
                a layer that is larger than the caches, these hold the panels that were used last
    share       which share of coming steps' input sums to compute (streamrnn/kernels/coming.py); -1: none
    """
    positions = Positions(recipe)
    parts = {vector: as_integers(recipe, vector, width) for vector in positions.fed} if width.has_integers else {}

    @intrinsic
    def step(
        typingctx: Any, table: types.Type, source: types.Type, input_sums: types.Type, backwards: types.Type, share: types.Type
    ) -> Any:
        cells = [typed_cell(typingctx, one, width) for one in recipe.passes]
        conversions = {vector: typed_as_integers(typingctx, part) for vector, part in parts.items()}

        def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            table, source, input_sums, backwards, share = args
            known = set[str]()  # vectors whose integers are there
            for index, cell in enumerate(cells):
                emitter = _PassEmitter(builder, recipe, cell, index, positions, table, source, input_sums, share)
                for section in cell.one.sections:
                    if section.vector in conversions and section.vector not in known:
                        emitter.convert(context, section.vector, conversions[section.vector])
                        known.add(section.vector)
                n_panels = emitter.word(positions.n_panels(index))
                now = {name: emitter.word(positions.now(name)) for name in cell.one.reads}
                then = {name: emitter.word(positions.then(name)) for name in cell.one.writes}
                options = emitter.word(Positions.OPTIONS)
                with _panels(builder, backwards, emitter.ranges(n_panels), n_panels, width) as (offset, *addresses):
                    cell.emit(context, builder, emitter.sums(addresses), now, then, options, offset)
                if input_bytes := cell.one.input_sums * width.panel_bytes:
                    following = builder.add(input_sums, builder.mul(n_panels, INT(input_bytes)))
                    input_sums = builder.select(cgutils.is_not_null(builder, input_sums), following, input_sums)
            return context.get_dummy_value()

        return signature(types.void, *[types.int64] * 5), codegen

    return step


#: An address that moves from panel to panel: its value at the first panel, its value at the last, and the bytes from one to the
#: next.
Range = tuple[ir.Value, ir.Value, ir.Value]


@contextmanager
def _panels(
    builder: ir.IRBuilder, backwards: ir.Value, ranges: list[Range], n_panels: ir.Value, width: Width
) -> Iterator[list[ir.Value]]:
    """A loop over the panels of a pass. Yields the offset of the panel's units in bytes, then the address of each range.

    Nothing is multiplied before the loads of the first panel, which may be the only one. LLVM cannot tell from the increments
    how many panels there are, so it does not unroll the loop.
    """
    last_offset = builder.mul(builder.sub(n_panels, INT(1)), INT(width.panel_bytes))
    moving = [(INT(0), last_offset, INT(width.panel_bytes)), *ranges]

    def forwards() -> list[ir.Value]:
        return [*(first for first, _, _ in moving), *(step for _, _, step in moving), last_offset]

    def from_the_last() -> list[ir.Value]:
        return [*(last for _, last, _ in moving), *(builder.neg(step) for _, _, step in moving), INT(0)]

    chosen = emit_either(builder, cgutils.is_not_null(builder, backwards), from_the_last, forwards)
    begins, steps, end = chosen[: len(moving)], chosen[len(moving) : -1], chosen[-1]
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


class _PassEmitter(NamedTuple):
    """Emits one pass of a recipe.

    Words of the table are loaded where a pass begins: a single step needs each of them once.

    builder     the LLVM builder
    recipe      of the layer
    cell        the cell of the pass, typed
    number      index of the pass in the recipe
    positions   of the words of the table
    table       address of the table
    source      address of the inputs
    input_sums  address of the input sums of the first panel; 0: they are computed here
    share       which share of coming steps' input sums to compute; -1: none
    """

    builder: ir.IRBuilder
    recipe: Recipe
    cell: Cell
    number: int
    positions: Positions
    table: ir.Value
    source: ir.Value
    input_sums: ir.Value
    share: ir.Value

    def word(self, position: int) -> ir.Value:
        """The word at a position of the table."""
        return emit_load_int(self.builder, self.builder.add(self.table, INT(8 * position)))

    def convert(self, context: Any, vector: str, conversion: tuple[Any, Any]) -> None:
        """Turn a vector into integers, which all panels of all passes read; the inputs not where their sums are there."""
        with self.builder.if_then(cgutils.is_null(self.builder, self.input_sums if vector == X else INT(0))):
            n_values = self.word(self.positions.n_rows(self.number, vector))
            target, most = self.word(self.positions.integers(vector)), self.word(self.positions.most_input(vector))
            called(context, conversion)(self.builder, [self._values(vector), n_values, target, most])

    def _values(self, vector: str) -> ir.Value:
        """Address of the values of a vector."""
        return self.source if vector == X else self.word(self.positions.now(vector))

    def ranges(self, n_panels: ir.Value) -> list[Range]:
        """The addresses that move: the weights of each section, then the input sums."""
        ranges = []
        for section in self.cell.one.sections:
            key = self.number, section.vector
            first, last = self.word(self.positions.address(*key)), self.word(self.positions.last_address(*key))
            ranges.append((first, last, self.word(self.positions.panel_bytes(*key))))
        n_bytes = INT(self.cell.one.input_sums * self.cell.width.panel_bytes)
        before_last = self.builder.mul(self.builder.sub(n_panels, INT(1)), n_bytes)
        return [*ranges, (self.input_sums, self.builder.add(self.input_sums, before_last), n_bytes)]

    def sums(self, addresses: Sequence[ir.Value]) -> Sums:
        """The sums of a panel: biases and products, section by section. `addresses` are those of `ranges`, for this panel."""
        sums: Sums = {}
        for number, (section, weights) in enumerate(zip(self.cell.one.sections, addresses[:-1], strict=True)):
            fed = [(name, block) for name in section.sums for block in range(self.cell.width.blocks)]
            beside = self._coming(addresses) if number == 1 else None
            sums |= dict(zip(fed, self._with_section(sums, section, fed, weights, addresses[-1], beside), strict=True))
        return sums

    def _coming(self, addresses: Sequence[ir.Value]) -> Coming | None:
        """The input sums of coming steps of a panel, where they are computed within this step."""
        builder, width, one = self.builder, self.cell.width, self.cell.one
        if not one.input_sums or not is_beside(self.recipe, width):
            return None
        n_rows = self.word(self.positions.n_rows(self.number, X))
        input_bytes = builder.mul(n_rows, INT(width.itemsize))
        step_bytes = emit_step_bytes(builder, self.recipe, width, self.word)
        steps = builder.sub(INT(COMING_STEPS), self.share)
        inputs = builder.add(self.source, builder.mul(steps, input_bytes))
        sums = builder.add(addresses[-1], builder.mul(steps, step_bytes))
        return Coming(
            width, one.sections[0], n_parts(one, width), self.share, addresses[0], n_rows, inputs, input_bytes, sums, step_bytes
        )

    def _with_section(
        self, sums: Sums, section: Section, fed: Keys, weights: ir.Value, input_sums: ir.Value, beside: Coming | None
    ) -> list[ir.Value]:
        """The sums `fed`, after the products of one section: loaded where they were computed ahead, else computed here."""
        builder, width = self.builder, self.cell.width
        n_rows = self.word(self.positions.n_rows(self.number, section.vector))
        is_ahead = cgutils.is_not_null(builder, self.input_sums)
        if section.vector == X:
            return emit_either(
                builder,
                is_ahead,
                lambda: self._loaded(input_sums, len(fed)),
                lambda: self._products(sums, section, fed, weights, n_rows, width.ahead),
            )
        if beside is not None:
            return emit_either(
                builder,
                builder.icmp_signed(">=", self.share, INT(0)),
                lambda: beside.emit(builder, self._product(sums, section, fed, weights, n_rows)),
                lambda: self._products(sums, section, fed, weights, n_rows, width.ahead),
            )
        if not width.ahead:
            return self._products(sums, section, fed, weights, n_rows, 0)
        # where the input sums are there, the input weights are not read, and the other weights may fit in the second cache
        most_near = INT(isqrt(_SECOND_CACHE // (len(section.sums) * width.stored_itemsize)))
        return emit_either(
            builder,
            builder.and_(is_ahead, builder.icmp_signed("<=", n_rows, most_near)),
            lambda: self._products(sums, section, fed, weights, n_rows, 0),
            lambda: self._products(sums, section, fed, weights, n_rows, width.ahead),
        )

    def _loaded(self, address: ir.Value, n_vectors: int) -> list[ir.Value]:
        """The sums that the inputs feed, as they were computed ahead for this step."""
        builder, vec = self.builder, self.cell.vec
        return [emit_load(builder, builder.add(address, INT(n * bytes_of(vec))), llvm_type(vec)) for n in range(n_vectors)]

    def _products(
        self, sums: Sums, section: Section, fed: Keys, weights: ir.Value, n_rows: ir.Value, ahead: int
    ) -> list[ir.Value]:
        """The sums `fed`, with the products of one section added. A sum that begins in this section begins with its bias.

        ahead  bytes by which weights are fetched before they are used; 0: not
        """
        builder, width = self.builder, self.cell.width
        product = self._product(sums, section, fed, weights, n_rows)
        if width.has_integers:
            inputs = [self.word(self.positions.integers(section.vector))]
            return emit_integer_sums(builder, self.recipe, width, section, list(product.first), weights, inputs, n_rows, ahead)
        return emit_products(builder, *product, ahead)

    def _product(self, sums: Sums, section: Section, fed: Keys, weights: ir.Value, n_rows: ir.Value) -> Product:
        """The product of one section, to be added to the sums `fed`."""
        builder, width, vec = self.builder, self.cell.width, self.cell.vec
        begun, begins = dict(sums), [(name, block) for name in section.begins for block in range(width.blocks)]
        for n, key in enumerate(begins):
            begun[key] = emit_load(builder, builder.add(weights, INT(n * bytes_of(vec))), llvm_type(vec))
        rows = builder.add(weights, INT(rows_at(width, section)))
        first, inputs = [begun[key] for key in fed], [self._values(section.vector)]
        return Product(Weights(vec, width.stored), first, rows, row_bytes(width, section), inputs, n_rows)


def emit_either(builder: ir.IRBuilder, condition: ir.Value, first: Any, second: Any) -> list[ir.Value]:
    """The values that `first()` emits if the condition holds at run time, else those that `second()` emits."""
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
