"""The plain recurrent layer on the GPU (streamrnn/kernels/rnn.py has its functions, streamrnn/layers/rnn.py the form)."""

from streamrnn.cuda.kernels.device import arithmetic
from streamrnn.cuda.kernels.parts import NONE, Pass, Recipe, Section, row
from streamrnn.kernels.exponential import flush
from streamrnn.kernels.rnn import general_of, relu_of, tanh_of
from streamrnn.simd.vector import as_number, as_vector

_H = 0


def _recipe(function):
    @arithmetic
    def cell(options, unit, padded, h, b, c, d, _, e):
        return as_number(flush(function(options, as_vector(h)))), e

    return Recipe((Pass(1, 1, Section(row(1), row(1)), Section(row(0), row(1)), _H, (NONE, NONE), (_H, NONE), True, cell),))


tanh, relu, general = _recipe(tanh_of), _recipe(relu_of), _recipe(general_of)
