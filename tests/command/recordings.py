"""Recordings of a layer, for the tests of `doctor` and of checkpoints."""

from pathlib import Path

import numpy as np

from tests import reference
from tests.models import signal


def record(path: Path, layer: object, loudness: float = 2.0, n_steps: int = 30) -> Path:
    """Write input and output of a layer, as the reference computes it."""
    x = signal(n_steps, 3, loudness=loudness)
    np.savez(path, input=x, output=reference.run_layer(layer, x)[0].astype(np.float32))
    return path
