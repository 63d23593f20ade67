"""The tests that need a device, in a process whose device is Numba's simulator."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cuda.devices import SIMULATED, needs_numba_cuda

HERE = Path(__file__).parent
pytestmark = [needs_numba_cuda, pytest.mark.skipif(SIMULATED, reason="this is the simulator")]


@pytest.mark.parametrize("name", ["test_pool", "test_company", "test_barriers", "test_golden"])
def test_the_simulated_device_passes(name: str) -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-rfEs", str(HERE / f"{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parents[1], env=environment, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout, done.stdout
