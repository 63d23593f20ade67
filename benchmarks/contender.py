"""What takes part in a measurement."""

import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple


class Contender(NamedTuple):
    """Something that takes steps. Each run continues where the previous run stopped.

    run      takes some steps; returns the last hidden state, or None where there is none
    n_steps  steps of a run; not a whole number where only memory is read
    """

    run: Callable[[], Any]
    n_steps: float


def missing(name: str) -> str | None:
    """Why a contender cannot take part, with the remedy; None: it can."""
    for package, extra in {"onnxruntime": "convert", "torch": "torch"}.items():
        if name.startswith(package) and importlib.util.find_spec(package) is None:
            return f"{package} is not installed: pip install 'streamrnn[{extra}]'"
    return None
