"""The kernel of a layer that has a recipe, for one stream: any number of steps."""

from streamrnn.kernels.coming import first_steps, share_of_step
from streamrnn.kernels.inline import inline, is_for_size
from streamrnn.kernels.input_sums import input_sums
from streamrnn.kernels.panel import Kernel, Part, copy_of_padded, field, finite_check, next_direction, whole_copy
from streamrnn.kernels.silence import audible
from streamrnn.kernels.softmax import normalize
from streamrnn.kernels.step import step_of_stream
from streamrnn.recipe import Recipe
from streamrnn.target.packing import Width
from streamrnn.target.panels import Positions
from streamrnn.target.record import DONE, HIDDEN, INPUT_ROOM, INPUT_SUMS, INPUTS, OUTPUTS, STATE_NOT_FINITE, TABLE


def stream_kernel(recipe: Recipe, width: Width) -> Kernel:
    """The kernel of a recipe for one width: int64 (record, source, target, n_steps).

    It reads the inputs at `source`, (n_steps, input_size), advances the states, and writes the outputs at `target`,
    (n_steps, output_size). Returns DONE, or STATE_NOT_FINITE where a state is infinite or NaN. No two of these memory areas may
    overlap. Made for few bytes, it computes no input sums ahead, and takes the panels of each step from the first to the last.
    """
    positions, itemsize = Positions(recipe), width.itemsize
    output, n_panels = positions.now(recipe.output), positions.n_panels(0)
    take_step, make_input_sums = step_of_stream(recipe, width), input_sums(recipe, width)
    copy_back, others_finite = _copy_back(recipe, width), _others_finite(recipe, width)
    copy_row, finish = copy_of_padded(width), normalize(width) if recipe.distribution else _unchanged
    heard, has_integers = audible(width), width.has_integers  # integers have a least step of their own
    # an integer cannot be NaN, so with integers a state could become finite again
    check_every_step, has_states = recipe.check_every_step or has_integers, bool(recipe.states)
    n_before, share = first_steps(recipe, width), share_of_step(recipe, width)
    bytes_of_input_sums, is_small = width.panel_bytes * recipe.input_sums, is_for_size()

    def kernel(record, source, target, n_steps):
        n_inputs, n_outputs = field(record, INPUTS), field(record, OUTPUTS)
        table = field(record, TABLE)
        if not has_integers:
            source = heard(field(record, INPUT_ROOM), source, n_steps * n_inputs)
        sums = field(record, INPUT_SUMS) if n_steps > 1 and not is_small else 0
        if sums:
            make_input_sums(table, source, n_before(n_steps), sums)
        sums_bytes = bytes_of_input_sums * field(table, n_panels) if sums else 0
        backwards = 0 if is_small else next_direction(record, field(table, n_panels), n_steps)
        for step in range(n_steps):
            take_step(table, source, sums, backwards, share(step, n_steps) if sums else -1)
            copy_back(record, table)
            finish(field(table, output), n_outputs)
            is_finite = copy_row(target, field(table, output), n_outputs)
            if check_every_step:
                is_finite = is_finite and others_finite(record, table)
            if has_states and (check_every_step or step == n_steps - 1) and not is_finite:
                return STATE_NOT_FINITE
            source += itemsize * n_inputs
            target += itemsize * n_outputs
            sums += sums_bytes
            backwards = 0 if is_small else 1 - backwards
        return DONE

    return kernel


@inline
def _unchanged(y, n_outputs):
    pass


def _copy_back(recipe: Recipe, width: Width) -> Part:
    """A part (record, table) that copies the states that were written aside to where they belong (`Recipe.aside`)."""
    positions, copy, panel_bytes = Positions(recipe), whole_copy(width), width.panel_bytes

    @inline
    def none(record, table):
        pass

    part = none
    for state, always in recipe.aside.items():
        units = "outputs" if state in recipe.projected else "hidden"
        at_panels = positions.n_panels(next(i for i, one in enumerate(recipe.passes) if one.units == units))
        part = _also_copy(part, copy, positions.now(state), positions.then(state), at_panels, panel_bytes, always)
    return part


def _also_copy(before: Part, copy: Part, now: int, then: int, at_panels: int, panel_bytes: int, always: bool) -> Part:
    """A part that does what `before` does, and copies one state from the position `then` of the table to the position `now`."""

    @inline
    def copy_back(record, table):
        before(record, table)
        if always or field(table, at_panels) > 1:
            copy(field(table, now), field(table, then), field(table, at_panels) * panel_bytes)

    return copy_back


def _others_finite(recipe: Recipe, width: Width) -> Part:
    """A part (record, table) that returns whether all states but the output are finite."""
    positions, check = Positions(recipe), finite_check(width)

    @inline
    def yes(record, table):
        return True

    part = yes
    for state in recipe.states:
        if state != recipe.output:
            part = _and_finite(part, check, positions.now(state), OUTPUTS if state in recipe.projected else HIDDEN)
    return part


def _and_finite(before: Part, check: Part, now: int, size: int) -> Part:
    """A part that returns whether `before` holds, and the state at the position `now` of the table is finite."""

    @inline
    def all_finite(record, table):
        return before(record, table) and check(field(table, now), field(record, size))

    return all_finite
