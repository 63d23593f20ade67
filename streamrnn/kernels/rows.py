"""Kernel of a layer without a state on each row of a step (streamrnn/layers/rows.py)."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field
from streamrnn.simd.call import call
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE, INPUTS, OUTPUTS, OVER_ROWS, ROW_KERNEL, ROWS_AT_ONCE, ROWS_OF_STEP


def through_rows(width: Width) -> Part:
    """A kernel part (record, source, target, n_rows): rows through the kernel of the layer that is held. Returns its status."""
    itemsize = width.itemsize

    @inline
    def through(record, source, target, n_rows):
        rows = field(record, OVER_ROWS)
        kernel, at_once = field(rows, ROW_KERNEL), field(rows, ROWS_AT_ONCE)
        x_bytes, y_bytes = itemsize * field(record, INPUTS), itemsize * field(record, OUTPUTS)
        while n_rows > 0:
            n_now = at_once if at_once < n_rows else n_rows
            status = call(kernel, record, source, target, n_now)
            if status != DONE:
                return status
            source += n_now * x_bytes
            target += n_now * y_bytes
            n_rows -= n_now
        return DONE

    return through


def rows(width: Width) -> Kernel:
    """y_r = layer(x_r), of each row r. To the kernel of the layer, the rows of several steps are so many steps."""
    through = through_rows(width)

    def kernel(record, source, target, n_steps):
        return through(record, source, target, n_steps * field(field(record, OVER_ROWS), ROWS_OF_STEP))

    return kernel
