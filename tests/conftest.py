"""What all tests share: compiled kernels of a test run go to a directory of its own, and from there to its subprocesses.

A test run that a test begins, in a subprocess, uses that of the one around it.
"""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

#: Whether a test of another run has begun this one: no test of this one is under way yet.
WITHIN_A_TEST = "PYTEST_CURRENT_TEST" in os.environ


@pytest.fixture(scope="module")
def old_objects_are_left_alone() -> Iterator[None]:
    """What is there before a module's tests is left out of their collections of garbage, which take seconds otherwise."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def store_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    before = os.environ.get("STREAMRNN_CACHE_DIR")
    if before is not None and WITHIN_A_TEST:
        yield Path(before)
        return
    place = tmp_path_factory.getbasetemp()
    place = (place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / "store"  # one for all processes of the run
    place.mkdir(mode=0o700, exist_ok=True)
    os.environ["STREAMRNN_CACHE_DIR"] = str(place)
    yield place
    os.environ.pop("STREAMRNN_CACHE_DIR")
    if before is not None:
        os.environ["STREAMRNN_CACHE_DIR"] = before
