"""What the kernels of pools share: the sums of a panel for many streams, several at once, and lists of addresses."""

from collections.abc import Sequence

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Part
from streamrnn.simd.memory import load_tuple, multiply_streams, store_int
from streamrnn.target.cpu import n_registers
from streamrnn.target.packing import Width
from streamrnn.target.record import POOL_TILE

#: Where the lists of a tile's addresses are, from a record's ROWS on: of its streams' states as they are, which come first, of
#: those that follow, and of whatever else a kernel adds up.
NEXT, FIRST_LIST, SECOND_LIST = (n * 8 * POOL_TILE for n in range(1, 4))

#: Vectors of sums at once: enough that no fma waits for another; with more, fewer cells overlap with the next sums.
_SUMS = 16

#: Of a panel that begins with all biases and adds all rows to them, of both sections.
Sections = Sequence[tuple[Sequence[int], Sequence[int]]]


def plain_sections(vectors: int) -> Sections:
    """The sections of a panel that is a bias, rows for the input, and rows for the state, of so many vectors each."""
    return (range(vectors), range(vectors)), (range(0), range(vectors))


@inline
def list_rows(at, first, stride, n):
    """Write the addresses of n rows, from the first on, to a list."""
    for index in range(n):
        store_int(at + 8 * index, first + index * stride)


def panel_of_streams(width: Width, sections: Sections, cell: Part) -> Part:
    """A kernel part that sums one panel for n streams, and calls `cell(sums, stream, offset, memory)` for each of them.

    It takes the addresses of the panel's two sections; for each the list of addresses, what is to be added to them, and the
    number of inputs; n; the address of room for the sums of eight streams; `offset` and `memory`, which are passed on.
    """
    lanes, dtype, vectors = width.lanes, width.dtype, len({place for begins, _ in sections for place in begins})
    stream_bytes = vectors * width.vector_bytes
    at_once = max(1, min(8, _SUMS // vectors, (n_registers(width) - vectors - 1) // vectors))
    sums_of = _as_many_as_fit(width, sections, range(at_once, 0, -1) if at_once <= 4 else (at_once, at_once // 2, 1))

    @inline
    def over_streams(weights, first, second, n, room, offset, memory):
        begin = 0
        while begin < n:
            count = sums_of(weights, first, second, begin, n, room)
            for index in range(count):
                cell(load_tuple(room + index * stream_bytes, dtype, lanes, vectors), begin + index, offset, memory)
            begin += count

    return over_streams


def _as_many_as_fit(width: Width, sections: Sections, sizes: Sequence[int]) -> Part:
    """A kernel part that makes the sums of the next streams, as many as the largest size that fits, and returns how many.

    Unless that leaves one alone, whose sums would wait for each other, and one fewer does not: of five, three and two.
    """
    size, *smaller = sizes
    multiply = multiply_streams(sections, size, width.dtype, width.lanes)

    @inline
    def sums_of_size(weights, first, second, begin, n, room):
        w, r = weights
        xs, x_offset, n_x = first
        hs, h_offset, n_h = second
        multiply(w, xs + 8 * begin, x_offset, n_x, r, hs + 8 * begin, h_offset, n_h, room)
        return size

    if not smaller:
        return sums_of_size
    otherwise = _as_many_as_fit(width, sections, smaller)
    fewer_at = size + 1 if size > 2 and smaller[0] == size - 1 else 0

    @inline
    def sums_of(weights, first, second, begin, n, room):
        if n - begin >= size and n - begin != fewer_at:
            return sums_of_size(weights, first, second, begin, n, room)
        return otherwise(weights, first, second, begin, n, room)

    return sums_of
