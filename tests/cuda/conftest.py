"""Tests of the pool on a GPU. A process has a device, Numba's simulator instead (NUMBA_ENABLE_CUDASIM=1), or neither."""

from tests.cuda.devices import SIMULATED
from tests.models import one_width  # noqa: F401

if SIMULATED:
    from tests.cuda.simulator import use_coroutines

    use_coroutines()
