"""Model files of other programs gone wrong: RTNeural, GuitarML, AIDA-X, Neural Amp Modeler and Keras.

In JSON an entry of the tree is lost, exchanged, repeated or made something else, so that what comes of it is still JSON. The
config within a .keras file is changed so too. Some files are changed by their bytes.
"""

import copy
import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.damage import damaged

Rng = np.random.Generator

_FIXTURES = Path(__file__).parents[1] / "converters" / "formats" / "fixtures"
_CONFIG = "config.json"
_RARE = 0.05  # of the files are Keras's: HDF5 is read in a process of its own
_ODD: list[Any] = [
    *(None, True, False, -1, 0, 1, 2, 3, 1.5, -0.0, 1e300, 10**30, 2**31, 2**63, float("nan"), float("inf"), "", "lstm", "gru"),
    *("tanh", "relu", "float64", [], [[]], [1.0], [[1], [2, 3]], [[[0.5]]], {}, {"a": 1}, [None], "\x00", "x" * 3000),
]


@cache
def corpus() -> tuple[list[tuple[str, Any]], list[tuple[str, bytes]]]:
    """The good files: JSON with the extension of each, and Keras's."""
    json_files = [*sorted(_FIXTURES.rglob("*.json")), *sorted(_FIXTURES.rglob("*.nam"))]
    keras_files = [path for suffix in ("keras", "h5") for path in sorted(_FIXTURES.glob(f"*.{suffix}"))]
    trees = [(path.suffix, json.loads(path.read_bytes())) for path in json_files]
    return trees, [(path.suffix, path.read_bytes()) for path in keras_files]


def format_mutant(rng: Rng) -> tuple[str, bytes]:
    """The extension of a file, and its bytes."""
    trees, keras = corpus()
    if rng.random() < _RARE:
        suffix, data = keras[rng.integers(len(keras))]
        return suffix, _of_zip(rng, data) if suffix == ".keras" and rng.random() < 0.8 else damaged(rng, data)
    suffix, tree = trees[rng.integers(len(trees))]
    data = json.dumps(_changed(rng, tree)).encode()
    return suffix, damaged(rng, data) if rng.random() < 0.1 else data


def _of_zip(rng: Rng, data: bytes) -> bytes:
    """A .keras file with another config."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(made, "w") as target:
        for member in source.namelist():
            content = source.read(member)
            content = json.dumps(_changed(rng, json.loads(content))).encode() if member == _CONFIG else content
            target.writestr(member, content)
    return made.getvalue()


def _changed(rng: Rng, tree: Any) -> Any:
    tree = copy.deepcopy(tree)
    for _ in range(rng.integers(1, 4)):
        holder = _any_holder(rng, tree)
        if holder:
            CHANGES[rng.integers(len(CHANGES))](rng, holder)
    return tree


def _any_holder(rng: Rng, tree: Any) -> Any:
    """A list or an object of the tree, on a random way down: so those near the root, which say what it is, have their turn."""
    holder = tree
    while True:
        inside = [
            value for value in (holder.values() if isinstance(holder, dict) else holder) if isinstance(value, dict | list)
        ]
        if not inside or rng.random() < 0.25:
            return holder
        holder = inside[rng.integers(len(inside))]


def _any_key(rng: Rng, holder: Any) -> Any:
    return list(holder)[rng.integers(len(holder))] if isinstance(holder, dict) else int(rng.integers(len(holder)))


def _lose(rng: Rng, holder: Any) -> None:
    del holder[_any_key(rng, holder)]


def _replace(rng: Rng, holder: Any) -> None:
    holder[_any_key(rng, holder)] = copy.deepcopy(_ODD[rng.integers(len(_ODD))])


def _renumber(rng: Rng, holder: Any) -> None:
    key = _any_key(rng, holder)
    if isinstance(holder[key], int | float):
        holder[key] = (
            holder[key] * float(rng.choice([-1, 0, 2, 1e30])) if rng.random() < 0.5 else holder[key] + int(rng.integers(-2, 3))
        )


def _exchange(rng: Rng, holder: Any) -> None:
    one, other = _any_key(rng, holder), _any_key(rng, holder)
    holder[one], holder[other] = holder[other], holder[one]


def _repeat(rng: Rng, holder: Any) -> None:
    value = copy.deepcopy(holder[_any_key(rng, holder)])
    if isinstance(holder, list):
        holder.insert(int(rng.integers(len(holder) + 1)), value)
    else:
        holder[f"more {rng.integers(100)}"] = value


def _nest(rng: Rng, holder: Any) -> None:
    key = _any_key(rng, holder)
    holder[key] = [holder[key]] if rng.random() < 0.5 else {str(key): holder[key]}


CHANGES: list[Callable[[Rng, Any], None]] = [_lose, _replace, _replace, _renumber, _renumber, _exchange, _repeat, _nest]
