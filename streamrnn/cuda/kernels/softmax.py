"""Softmax on the GPU, behind a dense layer (streamrnn/kernels/softmax.py). ONNX Softmax-13."""

from numba import cuda

from streamrnn.cuda.kernels.device import Kernel, arithmetic
from streamrnn.kernels.exponential import exp2
from streamrnn.simd.vector import as_number, as_vector
from streamrnn.target.packing import DType


@arithmetic
def _power(value, largest):
    return as_number(exp2(as_vector(value) - as_vector(largest)))


@arithmetic
def _sum(a, b):
    return as_number(as_vector(a) + as_vector(b))


@arithmetic
def _ratio(a, b):
    return as_number(as_vector(a) / as_vector(b))


def softmax(dtype: DType) -> Kernel:
    """A kernel that makes distributions of rows of logits in base 2: 2**(t - max) / sum, summed one after the other.

    A thread has a row: y[y_at + r y_stride], n values.
    """
    zero = dtype(0)

    def kernel(y, y_at, y_stride, n, n_rows):
        for row in range(cuda.grid(1), n_rows, cuda.gridsize(1)):
            place, total = y_at + row * y_stride, zero
            largest = y[place, 0]
            for index in range(1, n):
                if y[place, index] > largest:
                    largest = y[place, index]
            for index in range(n):
                y[place, index] = _power(y[place, index], largest)
                total = dtype(_sum(total, y[place, index]))
            for index in range(n):
                y[place, index] = _ratio(y[place, index], total)

    return kernel
