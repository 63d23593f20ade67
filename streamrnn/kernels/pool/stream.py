"""The kernel of a layer that has a recipe, for many streams of a pool: one step of each."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, copy_of_padded, field, finite_check
from streamrnn.kernels.pool.panel import BETWEEN_LIST, INPUT_LIST, THEN, integers_of_streams, list_rows, panel_of_streams
from streamrnn.kernels.silence import audible
from streamrnn.recipe import Recipe
from streamrnn.simd.memory import load_int, load_ints
from streamrnn.target.packing import Width
from streamrnn.target.panels import Positions
from streamrnn.target.record import (
    DONE,
    HIDDEN,
    INPUT_ROOM,
    INPUT_SUMS,
    INPUTS,
    OUTPUTS,
    ROWS,
    SCRATCH,
    STATE_NOT_FINITE,
    STRIDE,
    TABLE,
)


def pool_kernel(recipe: Recipe, width: Width) -> Kernel:
    """The kernel of a recipe for one width: int64 (record, source, target, n_streams).

    It reads the inputs at `source`, (n_streams, input_size), advances the states, whose addresses are in lists (record field
    ROWS), and writes the outputs at `target`, (n_streams, output_size). Returns DONE, or STATE_NOT_FINITE where a state of any
    stream is infinite or NaN.
    """
    positions, itemsize = Positions(recipe), width.itemsize
    n_words, output, has_between = positions.count, positions.now(recipe.output), bool(recipe.between)
    through_passes, others_finite = _through_passes(recipe, width), _others_finite(recipe, width)
    copy_row, heard, has_integers = copy_of_padded(width), audible(width), width.has_integers

    def kernel(record, source, target, n_streams):
        n_inputs, n_outputs, rows = field(record, INPUTS), field(record, OUTPUTS), field(record, ROWS)
        table = load_ints(field(record, TABLE), n_words)
        if not has_integers:
            source = heard(field(record, INPUT_ROOM), source, n_streams * n_inputs)
        list_rows(rows + INPUT_LIST, source, itemsize * n_inputs, n_streams)
        if has_between:
            list_rows(rows + BETWEEN_LIST, field(record, SCRATCH), field(record, STRIDE), n_streams)
        through_passes(table, rows, n_streams, field(record, INPUT_SUMS))
        for stream in range(n_streams):
            states = load_int(rows + THEN + 8 * stream)
            is_finite = copy_row(target, states + table[output], n_outputs)
            if not (is_finite and others_finite(record, table, states)):
                return STATE_NOT_FINITE
            target += itemsize * n_outputs
        return DONE

    return kernel


def _through_passes(recipe: Recipe, width: Width) -> Part:
    """A part (table, rows, n_streams, room) that takes the streams of a tile through all passes."""
    positions = Positions(recipe)

    @inline
    def nothing(table, rows, n_streams, room):
        pass

    part = nothing
    for index in range(len(recipe.passes)):
        make_integers = integers_of_streams(recipe, index, width)
        part = _then_pass(part, make_integers, panel_of_streams(recipe, index, width), positions.n_panels(index))
    return part


def _then_pass(before: Part, make_integers: Part, over_streams: Part, n_panels: int) -> Part:
    """A part that does what `before` does, and then takes all panels of one more pass."""

    @inline
    def through(table, rows, n_streams, room):
        before(table, rows, n_streams, room)
        make_integers(table, rows, n_streams)
        for panel in range(table[n_panels]):
            over_streams(table, rows, panel, n_streams, room)

    return through


def _others_finite(recipe: Recipe, width: Width) -> Part:
    """A part (record, table, states) that checks a stream's states but the output, where the output alone does not tell."""
    positions, check = Positions(recipe), finite_check(width)

    @inline
    def yes(record, table, states):
        return True

    part = yes
    for state in recipe.states if recipe.check_every_step else ():
        if state != recipe.output:
            part = _and_finite(part, check, positions.now(state), OUTPUTS if state in recipe.projected else HIDDEN)
    return part


def _and_finite(before: Part, check: Part, position: int, size: int) -> Part:
    """A part that returns whether `before` holds, and the state at a position of the table is finite."""

    @inline
    def all_finite(record, table, states):
        return before(record, table, states) and check(states + table[position], field(record, size))

    return all_finite
