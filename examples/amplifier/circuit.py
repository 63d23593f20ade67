"""The amplifier that the network learns: a simple circuit, sample by sample, in place of a recording of a real one."""

import math
from collections.abc import Iterable

import numpy as np
from guitar import RATE
from numpy.typing import NDArray

_DRIVE = 8.0


def _share(hertz: float) -> float:
    """What a filter with one pole takes over from each sample."""
    return 1 - math.exp(-2 * math.pi * hertz / RATE)


def amplify(signal: Iterable[float]) -> NDArray[np.float32]:
    """(n,) -> (n,): a coupling capacitor, a tube that draws current and so shifts its own bias, and a loudspeaker."""
    coupling, recovery, speaker = _share(60), _share(30), _share(4_500)
    low = bias = cone = box = 0.0
    output = []
    for x in map(float, signal):
        low += coupling * (x - low)
        grid = _DRIVE * (x - low) - bias
        bias += recovery * (1.5 * max(grid, 0.0) - bias)
        plate = math.tanh(grid + 0.3) - math.tanh(0.3)
        cone += speaker * (plate - cone)
        box += speaker * (cone - box)
        output.append(0.7 * box)
    return np.array(output, np.float32)
