"""Tests of the GPU's pool. A device, or Numba's simulator in its place, is there for a whole process, or not."""

from tests.cuda.devices import SIMULATED
from tests.models import one_width  # noqa: F401

if SIMULATED:
    from tests.cuda.simulator import take_turns

    take_turns()
