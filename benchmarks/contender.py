"""Who takes part in a measurement."""

import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple


class Contender(NamedTuple):
    """A run of some steps, which goes on where the last one stopped.

    run      returns the last hidden state, or None where there is none
    n_steps  that one run takes; a reader of memory may take a part of one more
    """

    run: Callable[[], Any]
    n_steps: float


def missing(name: str) -> str | None:
    """Why a contender cannot take part; None: it can."""
    for package, extra in {"onnxruntime": "convert", "torch": "torch"}.items():
        if name.startswith(package) and importlib.util.find_spec(package) is None:
            return f"{package} is not installed: pip install 'streamrnn[{extra}]'"
    return None
