"""The simulator with coroutines: it finds a barrier that is missing, or that some threads never reach."""

import numpy as np
import pytest

from tests.cuda.devices import MISSING, SIMULATED, needs_device

cuda = pytest.importorskip("numba.cuda", reason=MISSING)

pytestmark = [needs_device, pytest.mark.skipif(not SIMULATED, reason="this is about the simulator")]

N = 6


def launched(kernel: object) -> np.ndarray:
    result = np.zeros(N, np.int64)
    kernel[1, N](result)  # type: ignore[index]
    return result


def test_a_value_is_there_after_a_barrier_and_missing_without_one() -> None:
    @cuda.jit
    def neighbours(result):
        shared = cuda.shared.array(N, np.int64)
        shared[cuda.threadIdx.x] = 1 + cuda.threadIdx.x
        cuda.syncthreads()
        result[cuda.threadIdx.x] = shared[(cuda.threadIdx.x + 1) % N]

    @cuda.jit
    def careless(result):
        shared = cuda.shared.array(N, np.int64)
        shared[cuda.threadIdx.x] = 1 + cuda.threadIdx.x
        result[cuda.threadIdx.x] = shared[(cuda.threadIdx.x + 1) % N]

    expected = [2, 3, 4, 5, 6, 1]
    assert launched(neighbours).tolist() == expected
    assert launched(careless).tolist() != expected


def test_a_barrier_that_some_threads_never_reach_is_found() -> None:
    @cuda.jit
    def divergent(result):
        if cuda.threadIdx.x:
            cuda.syncthreads()

    with pytest.raises(AssertionError, match="never reach"):
        launched(divergent)
