"""The LSTM on the GPU (streamrnn/kernels/lstm.py has the cell, streamrnn/layers/lstm.py the form). Vectors: h, c, m."""

from streamrnn.cuda.kernels.device import arithmetic
from streamrnn.cuda.kernels.parts import NONE, NOTHING, Pass, Recipe, Section, row
from streamrnn.kernels.exponential import flush
from streamrnn.kernels.lstm import general_lstm_cell, lstm_cell
from streamrnn.simd.memory import load_like
from streamrnn.simd.vector import as_number, as_vector

_H, _C, _M = 0, 1, 2
_PEEPHOLES = 12  # where they begin in the options


@arithmetic
def _standard(options, unit, padded, i, f, g, o, c, _):
    m, c = lstm_cell(as_vector(i), as_vector(f), as_vector(g), as_vector(o), as_vector(c))
    return as_number(m), as_number(c)


@arithmetic
def _general(options, unit, padded, i, f, g, o, c, _):
    gates = as_vector(i), as_vector(f), as_vector(g), as_vector(o)
    first = _PEEPHOLES + unit
    peepholes = (
        as_vector(load_like(options, first, c)),
        as_vector(load_like(options, first + padded, c)),
        as_vector(load_like(options, first + 2 * padded, c)),
    )
    m, c = general_lstm_cell(gates, as_vector(c), peepholes, options)
    return as_number(m), as_number(c)


@arithmetic
def _projection(options, unit, padded, h, b, c, d, _, e):
    return as_number(flush(as_vector(h))), e


_INPUTS, _RECURRENT = Section(row(4), row(4)), Section(row(0), row(4))
_PROJECTION = Pass(2, 1, NOTHING, Section(row(1), row(1)), _M, (NONE, NONE), (_H, NONE), True, _projection)


def _plain(cell):
    return Recipe((Pass(2, 4, _INPUTS, _RECURRENT, _H, (_C, NONE), (_H, _C), True, cell),))


def _projected(cell):
    return Recipe((Pass(2, 4, _INPUTS, _RECURRENT, _H, (_C, NONE), (_M, _C), False, cell), _PROJECTION))


standard, general = _plain(_standard), _plain(_general)
standard_projected, general_projected = _projected(_standard), _projected(_general)
