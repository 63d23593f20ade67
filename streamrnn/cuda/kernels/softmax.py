"""Softmax on the GPU, after a dense layer (streamrnn/kernels/softmax.py). ONNX Softmax-13."""

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
    """A kernel that replaces rows of n logits t, in base 2, by 2**(t - max) / sum. The values are added one by one.

    A thread takes a row: row r is y[y_at + r y_stride].
    """
    zero = dtype(0)

    def kernel(y, y_at, y_stride, n, n_rows):
        for row in range(cuda.grid(1), n_rows, cuda.gridsize(1)):
            at, total = y_at + row * y_stride, zero
            largest = y[at, 0]
            for index in range(1, n):
                if y[at, index] > largest:
                    largest = y[at, index]
            for index in range(n):
                y[at, index] = _power(y[at, index], largest)
                total = dtype(_sum(total, y[at, index]))
            for index in range(n):
                y[at, index] = _ratio(y[at, index], total)

    return kernel
