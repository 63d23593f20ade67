"""Kernel of a causal convolution over time (streamrnn/cells/conv1d.py). ONNX Conv-11."""

from streamrnn.cells.conv1d import conv1d as recipe
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, finite_check, row_copy, whole_copy
from streamrnn.kernels.step import step_of_stream
from streamrnn.simd.memory import load_int
from streamrnn.target.packing import Width
from streamrnn.target.panels import Positions
from streamrnn.target.record import DONE, INPUTS, OUTPUTS, STATE, STATE_NOT_FINITE, STRIDE, TABLE

POSITIONS = Positions(recipe)
N_WORDS = POSITIONS.count
Y, BEFORE = POSITIONS.now("y"), POSITIONS.now("before")


def gather_taps(width: Width) -> Part:
    """A kernel part (record, past, before) that copies the inputs of the past taps from `past` to `before`, without gaps."""
    itemsize, copy_row = width.itemsize, row_copy(width)

    @inline
    def gather(record, past, before):
        n_inputs, extra = field(record, INPUTS), field(record, TABLE) + 8 * N_WORDS
        taps, dilation = load_int(extra), load_int(extra + 8)
        for tap in range(taps - 1):
            copy_row(before + tap * itemsize * n_inputs, past + tap * dilation * itemsize * n_inputs, n_inputs)

    return gather


@inline
def n_kept(record):
    """How many values of the past are still needed after a step."""
    extra = field(record, TABLE) + 8 * N_WORDS
    return ((load_int(extra) - 1) * load_int(extra + 8) - 1) * field(record, INPUTS)


def conv1d(width: Width) -> Kernel:
    """y = bias + sum over the taps, from the oldest to the present, of their matrix times the input of their step."""
    itemsize, take_step, gather = width.itemsize, step_of_stream(recipe, width), gather_taps(width)
    copy_row, copy_whole, all_finite = row_copy(width), whole_copy(width), finite_check(width)

    def kernel(record, source, target, n_steps):
        n_inputs, n_outputs = field(record, INPUTS), field(record, OUTPUTS)
        table, past, stride = field(record, TABLE), field(record, STATE), field(record, STRIDE)
        room, kept = field(table, Y), n_kept(record)
        for _ in range(n_steps):
            gather(record, past, field(table, BEFORE))
            take_step(table, source, 0, 0, -1)
            copy_row(target, room, n_outputs)
            if not all_finite(source, n_inputs):
                return STATE_NOT_FINITE
            copy_row(room, past + itemsize * n_inputs, kept)
            copy_row(room + itemsize * kept, source, n_inputs)
            copy_whole(past, room, stride)
            source += itemsize * n_inputs
            target += itemsize * n_outputs
        return DONE

    return kernel
