"""Kernel of a causal convolution over time (streamrnn/layers/conv1d.py). ONNX Conv-11."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, field, finite_check, for_each_block, row_copy, whole_copy
from streamrnn.simd.memory import load_int, load_tuple, multiply_panel, store
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE, INPUTS, OUTPUTS, PANELS, SCRATCH, STATE, STATE_NOT_FINITE, STRIDE, TABLE, WEIGHTS


def conv1d(width: Width) -> Kernel:
    """y = bias + the taps from the oldest to the present, each a matrix times the input of its time."""
    lanes, dtype, itemsize, blocks, panel_bytes = width.lanes, width.dtype, width.itemsize, width.blocks, width.panel_bytes
    ahead, copy_row, copy_whole, all_finite = width.ahead, row_copy(width), whole_copy(width), finite_check(width)

    @inline
    def block(sums, offset, room):
        store(room + offset, sums[0])

    each_block = for_each_block(width, block)

    def kernel(record, source, target, n_steps):
        n_inputs, n_outputs, panels = field(record, INPUTS), field(record, OUTPUTS), field(record, PANELS)
        past, room, stride, table = field(record, STATE), field(record, SCRATCH), field(record, STRIDE), field(record, TABLE)
        taps, dilation = load_int(table), load_int(table + 8)
        step_bytes = itemsize * n_inputs
        n_kept = ((taps - 1) * dilation - 1) * n_inputs
        for _ in range(n_steps):
            at = field(record, WEIGHTS)
            for panel in range(panels):
                sums = load_tuple(at, dtype, lanes, blocks)
                at += panel_bytes
                for tap in range(taps):
                    x = source if tap == taps - 1 else past + tap * dilation * step_bytes
                    sums = multiply_panel(sums, at, x, n_inputs, ahead)
                    at += panel_bytes * n_inputs
                each_block(sums, panel * panel_bytes, room)
            copy_row(target, room, n_outputs)
            if not all_finite(source, n_inputs):
                return STATE_NOT_FINITE
            copy_row(room, past + step_bytes, n_kept)
            copy_row(room + itemsize * n_kept, source, n_inputs)
            copy_whole(past, room, stride)
            source += step_bytes
            target += itemsize * n_outputs
        return DONE

    return kernel
