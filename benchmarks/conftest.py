"""The options of the benchmarks, their cases, and the environment that the JSON file names."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.case import KINDS, SIZES, cases
from benchmarks.crowd import crowds
from streamrnn.command.measuring.machine import surroundings

OPTIONS = ("rounds", "sizes", "kinds", "calls", "streams", "also")

#: What is measured only where it is asked for, since it takes minutes: the file of each.
ASKED_FOR = {"tails": "test_tail.py", "memory": "test_memory.py"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("streamrnn")
    group.addoption("--rounds", type=int, default=20, help="turns of each contender [20]")
    group.addoption("--sizes", default=SIZES, help=f"inputs x hidden units [{SIZES}]")
    group.addoption("--kinds", default=KINDS, help=f"kinds of layers [{KINDS}]")
    group.addoption("--streams", default="16,256", help="streams of a pool [16,256]")
    group.addoption("--calls", type=int, default=1_000_000, help="single calls, for tails and memory [1000000]")
    group.addoption("--also", default="", help=f"what else to measure, of {','.join(ASKED_FOR)}, with commas")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    asked = config.getoption("--also").split(",")
    return True if any(collection_path.name == file for name, file in ASKED_FOR.items() if name not in asked) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    option = metafunc.config.getoption
    if "crowd" in metafunc.fixturenames:
        metafunc.parametrize(
            "crowd", crowds(option("--kinds"), option("--sizes"), option("--streams")), ids=str, scope="module"
        )
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", cases(option("--kinds"), option("--sizes")), ids=str, scope="module")


@pytest.fixture(scope="session")
def n_rounds(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--rounds"))


@pytest.fixture(scope="session")
def n_calls(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--calls"))


def pytest_benchmark_update_json(config: pytest.Config, benchmarks: Any, output_json: dict[str, Any]) -> None:
    chosen = {name: config.getoption(f"--{name}") for name in OPTIONS}
    output_json["environment"] = surroundings() | {
        "command": " ".join(["make bench", *(f"{name.upper()}={given}" for name, given in chosen.items() if given)]),
    }
