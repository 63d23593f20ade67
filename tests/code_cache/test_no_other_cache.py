"""Machine code is kept in our store and nowhere else."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [path for name in ("streamrnn", "converters", "benchmarks", "examples") for path in (ROOT / name).rglob("*.py")]


def test_no_function_uses_the_cache_of_numba() -> None:
    assert len(SOURCES) > 50
    cached = [
        f"{path}:{call.lineno}"
        for path in SOURCES
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and any(keyword.arg == "cache" for keyword in call.keywords)
    ]
    assert not cached
    assert not [path for path in SOURCES if "cache=True" in path.read_text()]
