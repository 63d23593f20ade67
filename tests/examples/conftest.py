"""The example's files import each other as siblings, as they do when Python runs one of them."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
HOST_LOAD = EXAMPLES / "host_load"


@pytest.fixture(scope="session")
def host_load() -> Path:
    """The folder of the example."""
    return HOST_LOAD


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder of all examples."""
    return EXAMPLES


@pytest.fixture(scope="session")
def example() -> Iterator[Callable[[str], ModuleType]]:
    """A module of the example by its name."""
    sys.path.insert(0, str(HOST_LOAD))
    yield importlib.import_module
    sys.path.remove(str(HOST_LOAD))
