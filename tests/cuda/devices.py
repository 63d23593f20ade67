"""Skips for the tests of this folder: what they need, and why it is missing."""

import importlib.util
import os

import pytest

#: Whether this process uses Numba's simulator as its device.
SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"

MISSING = "numba-cuda is not installed: pip install 'streamrnn[cuda]'"


def _why_no_device() -> str | None:
    if importlib.util.find_spec("numba_cuda") is None:
        return MISSING
    from numba import cuda

    return None if cuda.is_available() else "no CUDA device; test_simulator.py runs this in Numba's simulator"


def _why_no_hardware() -> str | None:
    return "no CUDA device" if SIMULATED or _why_no_device() else None


def _skipped(reason: str | None) -> pytest.MarkDecorator:
    return pytest.mark.skipif(reason is not None, reason=reason or "")


needs_numba_cuda = _skipped(MISSING if importlib.util.find_spec("numba_cuda") is None else None)
needs_device = _skipped(_why_no_device())
needs_hardware = _skipped(_why_no_hardware())
