"""What all tests share: which cases run, and where compiled kernels go.

Most of a run's time goes into compiling kernels of yet another kind, option, width or type. So a plain run takes a few cases of
each such test, and says how many it deselected. With STREAMRNN_EXHAUSTIVE=1 (`make test EXHAUSTIVE=1`) all run.

Compiled kernels of a test run go to a directory of its own, and from there to its subprocesses. A test run that a test begins,
in a subprocess, uses that of the one around it.
"""

import gc
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.models import ALL, USUAL

EXHAUSTIVE = bool(os.environ.get("STREAMRNN_EXHAUSTIVE"))

#: What takes longest. A file runs in one process, so these begin first: the last one would keep a single core busy.
LONGEST = (
    *("cuda/test_simulator", "converters/onnx/test_from_onnx_exports", "command/test_warmup", "laws/test_machine_law"),
    *("code_cache/test_processes", "laws/test_company_law", "freezing/"),
)

#: Whether a test of another run has begun this one: no test of this one is under way yet.
WITHIN_A_TEST = "PYTEST_CURRENT_TEST" in os.environ


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest files, and leave out what only an exhaustive run takes.

    The latter is a variant of `tests.models` that is not a usual one, and, of a test with the mark few(n), all cases but n.
    """
    items.sort(key=_place)
    if EXHAUSTIVE:
        return
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
    rare: set[pytest.Item] = set()
    for group in cases.values():
        mark = group[0].get_closest_marker("few")
        if mark is not None:
            (n,) = mark.args
            rare |= set(group) - {group[at * len(group) // n] for at in range(n)}
        rare |= {item for item in group if _variant(item) in ALL and _variant(item) not in USUAL}
    config.hook.pytest_deselected(items=[item for item in items if item in rare])
    items[:] = [item for item in items if item not in rare]


def _place(item: pytest.Item) -> int:
    """The place of a test's file in the order of the run."""
    return next((at for at, name in enumerate(LONGEST) if item.nodeid.startswith(f"tests/{name}")), len(LONGEST))


def _variant(item: pytest.Item) -> Any:
    return item.callspec.params.get("variant") if hasattr(item, "callspec") else None


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
