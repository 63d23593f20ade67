"""The model files of the tests, and what their own programs answer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Model
from tests import reference

FIXTURES = Path(__file__).parent / "fixtures"
Description = dict[str, Any]


def answers(name: str, archive: str = "answers.npz") -> tuple[NDArray[Any], NDArray[Any]]:
    """Input and output, (n_steps, size), of a model in `fixtures`."""
    with np.load(FIXTURES / archive) as arrays:
        return arrays[f"{name}/x"], arrays[f"{name}/y"]


def largest_error(model: Model, x: NDArray[Any], y: NDArray[Any]) -> float:
    """Between y and what the model gives as the reference computes it, in float64."""
    return float(np.abs(reference.run(model, x)[0] - y).max())


def description(name: str) -> Description:
    found: Description = json.loads((FIXTURES / name).read_text(encoding="utf-8"))
    return found


def written(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path
