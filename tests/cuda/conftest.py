"""Tests of the GPU's pool. A device, or Numba's simulator in its place, is there for a whole process, or not."""

import os
import sys

from tests.models import one_width  # noqa: F401

if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
    sys.setswitchinterval(1e-5)  # the simulator's threads wait for each other all the time
