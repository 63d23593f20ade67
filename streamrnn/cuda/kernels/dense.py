"""The fully connected layer on the GPU (streamrnn/kernels/dense.py has its functions, streamrnn/layers/dense.py the form)."""

from streamrnn.cuda.kernels.device import arithmetic
from streamrnn.cuda.kernels.parts import NONE, NOTHING, Pass, Recipe, Section, row
from streamrnn.kernels.dense import as_it_is, relu_of, sigmoid_of, tanh_of, transform_of
from streamrnn.simd.vector import as_number, as_vector


def _recipe(function, *, distribution=False):
    @arithmetic
    def cell(options, unit, padded, y, b, c, d, _, e):
        return as_number(function(options, as_vector(y))), e

    one = Pass(0, 1, Section(row(1), row(1)), NOTHING, NONE, (NONE, NONE), (NONE, NONE), True, cell)
    return Recipe((one,), distribution)


linear, tanh, sigmoid = _recipe(as_it_is), _recipe(tanh_of), _recipe(sigmoid_of)
relu, general = _recipe(relu_of), _recipe(transform_of)
softmax = _recipe(as_it_is, distribution=True)
