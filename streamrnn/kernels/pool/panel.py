"""A pass of a recipe for many streams of a pool: the sums of a panel for several streams at once, then the cell of each stream.

Each weight is loaded once for all streams whose sums are computed at once. The order of rounding is that of a single stream.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.kernels.cells import typed_cell
from streamrnn.kernels.inline import inline
from streamrnn.kernels.integers import as_integers, emit_integer_sums
from streamrnn.kernels.panel import Part
from streamrnn.recipe import Recipe, X
from streamrnn.simd.memory import INT, bytes_of, emit_load, emit_load_int, emit_store, load_int, store_int
from streamrnn.simd.multiply import Weights, emit_products
from streamrnn.simd.vector import Vec, llvm_type, numba_type
from streamrnn.target.cpu import n_registers
from streamrnn.target.packing import Width
from streamrnn.target.panels import Positions, row_bytes, rows_at
from streamrnn.target.record import POOL_TILE

#: Offsets, in bytes, of the four lists at a record's ROWS. Each has an address for every stream of a tile: of its states before
#: the step, of its states after the step, of its inputs, and of the vectors that one pass leaves for another.
NOW, THEN, INPUT_LIST, BETWEEN_LIST = (n * 8 * POOL_TILE for n in range(4))

#: Vectors of sums at once, at most: enough that no FMA waits for another. With more, fewer cells overlap with the next sums.
_MOST_SUMS = 16

#: Streams whose sums are computed at once, at most; INPUT_SUMS has room for so many.
MOST_AT_ONCE = 8


@inline
def list_rows(at, first, stride, n):
    """Write the addresses of n rows, `stride` bytes apart, to the list at an address."""
    for index in range(n):
        store_int(at + 8 * index, first + index * stride)


def panel_of_streams(recipe: Recipe, index: int, width: Width) -> Part:
    """A kernel part (table, rows, panel, n_streams, room) that takes n streams through one panel of a pass.

    table  words that `Positions` names; for a vector, the bytes to add to an address of its list
    rows   address of the lists
    panel  index of the panel
    room   address of room for the sums of `MOST_AT_ONCE` streams
    """
    vectors = len(recipe.passes[index].sums) * width.blocks
    stream_bytes = vectors * width.vector_bytes
    at_once = max(1, min(MOST_AT_ONCE, _MOST_SUMS // vectors, (n_registers(width) - vectors - 1) // vectors))
    sizes = range(at_once, 0, -1) if at_once <= 4 else (at_once, at_once // 2, 1)
    make_sums, take_cell = _as_many_as_fit(recipe, index, width, sizes), _cell_of_stream(recipe, index, width)

    @inline
    def over_streams(table, rows, panel, n_streams, room):
        begin = 0
        while begin < n_streams:
            count = make_sums(table, rows, panel, begin, n_streams, room)
            for index in range(count):
                take_cell(table, rows, panel, begin + index, room + index * stream_bytes)
            begin += count

    return over_streams


def _as_many_as_fit(recipe: Recipe, index: int, width: Width, sizes: Sequence[int]) -> Part:
    """A kernel part that computes the sums of the next streams, and returns how many: the largest of `sizes` that fits.

    If that would leave a single stream, whose FMAs would wait for each other, it takes one stream fewer: five streams are three
    and two.
    """
    size, *smaller = sizes
    sums_of = _sums_of_streams(recipe, index, width, size)

    @inline
    def make_size(table, rows, panel, begin, n_streams, room):
        sums_of(table, rows, panel, begin, room)
        return size

    if not smaller:
        return make_size
    otherwise = _as_many_as_fit(recipe, index, width, smaller)
    fewer_at = size + 1 if size > 2 and smaller[0] == size - 1 else 0

    @inline
    def make_sums(table, rows, panel, begin, n_streams, room):
        if n_streams - begin >= size and n_streams - begin != fewer_at:
            return make_size(table, rows, panel, begin, n_streams, room)
        return otherwise(table, rows, panel, begin, n_streams, room)

    return make_sums


def list_of(recipe: Recipe, vector: str) -> int:
    """Offset of the list that has the address of a vector, as it was before the step."""
    is_scratch = vector in recipe.between or vector in recipe.gathered
    return INPUT_LIST if vector == X else BETWEEN_LIST if is_scratch else NOW


def _sums_of_streams(recipe: Recipe, index: int, width: Width, n_streams: int) -> Any:
    """A kernel part (table, rows, panel, begin, room) that computes a panel's sums for `n_streams` streams from `begin` on.

    It writes them to `room`, [stream][sum][block][lane], the sums in the order in which they begin.
    """
    positions, one = Positions(recipe), recipe.passes[index]
    vec, streams, blocks = Vec(numba_type(width.dtype), width.lanes), range(n_streams), range(width.blocks)

    @intrinsic
    def make(
        typingctx: Any, table: types.Type, rows: types.Type, panel: types.Type, begin: types.Type, room: types.Type
    ) -> Any:
        def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            packed, rows, panel, begin, room = args
            table = cgutils.unpack_tuple(builder, packed)
            sums: dict[tuple[int, str, int], ir.Value] = {}
            for section in one.sections:
                vector = section.vector
                panel_offset = builder.mul(panel, table[positions.panel_bytes(index, vector)])
                weights = builder.add(table[positions.address(index, vector)], panel_offset)
                begins = [(name, block) for name in section.begins for block in blocks]
                for number, (name, block) in enumerate(begins):
                    bias = emit_load(builder, builder.add(weights, INT(number * bytes_of(vec))), llvm_type(vec))
                    sums |= {(stream, name, block): bias for stream in streams}
                fed = [(stream, name, block) for stream in streams for name in section.sums for block in blocks]
                begun, n_rows = [sums[key] for key in fed], table[positions.n_rows(index, vector)]
                if width.has_integers:
                    integers, stride = table[positions.integers(vector)], table[positions.integer_bytes(vector)]
                    inputs = [builder.add(integers, builder.mul(builder.add(begin, INT(n)), stride)) for n in streams]
                    results = emit_integer_sums(builder, recipe, width, section, begun, weights, inputs, n_rows, 0)
                else:
                    first = builder.add(builder.add(rows, INT(list_of(recipe, vector))), builder.mul(begin, INT(8)))
                    offset = INT(0) if vector == X else table[positions.now(vector)]
                    inputs = [builder.add(emit_load_int(builder, builder.add(first, INT(8 * n))), offset) for n in streams]
                    of_section = builder.add(weights, INT(rows_at(width, section)))
                    kind = Weights(vec, width.stored)
                    results = emit_products(builder, kind, begun, of_section, row_bytes(width, section), inputs, n_rows)
                sums |= dict(zip(fed, results, strict=True))
            keys = [(stream, name, block) for stream in streams for name in one.sums for block in blocks]
            for number, key in enumerate(keys):
                emit_store(builder, builder.add(room, INT(number * bytes_of(vec))), sums[key])
            return context.get_dummy_value()

        return signature(types.void, table, *[types.int64] * 4), codegen

    return make


def integers_of_streams(recipe: Recipe, index: int, width: Width) -> Part:
    """A kernel part (table, rows, n_streams) that makes the integers that a pass reads first, for all streams of a tile."""
    earlier = {section.vector for one in recipe.passes[:index] for section in one.sections}

    @inline
    def nothing(table, rows, n_streams):
        pass

    part = nothing
    for vector in recipe.passes[index].feeds if width.has_integers else ():
        if vector not in earlier:
            part = _also_integers(part, recipe, index, vector, width)
    return part


def _also_integers(before: Part, recipe: Recipe, index: int, vector: str, width: Width) -> Part:
    """A part that does what `before` does, and turns one more vector into integers."""
    positions, convert, own_list = Positions(recipe), as_integers(recipe, vector, width), list_of(recipe, vector)
    at, stride, most = positions.integers(vector), positions.integer_bytes(vector), positions.most_input(vector)
    n_rows, now = positions.n_rows(index, vector), 0 if vector == X else positions.now(vector)
    has_offset = vector != X

    @inline
    def make(table, rows, n_streams):
        before(table, rows, n_streams)
        offset = table[now] if has_offset else 0
        for stream in range(n_streams):
            source = load_int(rows + own_list + 8 * stream) + offset
            convert(source, table[n_rows], table[at] + stream * table[stride], table[most])

    return make


def _cell_of_stream(recipe: Recipe, index: int, width: Width) -> Any:
    """A kernel part (table, rows, panel, stream, sums) that applies the cell to the units of a panel of one stream."""
    positions, one = Positions(recipe), recipe.passes[index]

    @intrinsic
    def take(
        typingctx: Any, table: types.Type, rows: types.Type, panel: types.Type, stream: types.Type, sums: types.Type
    ) -> Any:
        cell = typed_cell(typingctx, one, width)

        def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            packed, rows, panel, stream, sums = args
            table = cgutils.unpack_tuple(builder, packed)
            row = builder.add(rows, builder.mul(stream, INT(8)))

            def address(name: str, state_list: int) -> ir.Value:
                offset = table[positions.now(name)]
                if name in recipe.per_unit:
                    return offset
                list_offset = state_list if name in recipe.states else list_of(recipe, name)
                return builder.add(emit_load_int(builder, builder.add(row, INT(list_offset))), offset)

            keys = [(name, block) for name in one.sums for block in range(width.blocks)]
            loaded = {
                key: emit_load(builder, builder.add(sums, INT(number * bytes_of(cell.vec))), llvm_type(cell.vec))
                for number, key in enumerate(keys)
            }
            offset = builder.mul(panel, INT(width.panel_bytes))
            now = {name: address(name, NOW) for name in one.reads}
            then = {name: address(name, THEN) for name in one.writes}
            cell.emit(context, builder, loaded, now, then, table[Positions.OPTIONS], offset)
            return context.get_dummy_value()

        return signature(types.void, table, *[types.int64] * 4), codegen

    return take
