"""Files changed by their bytes."""

import numpy as np


def damaged(rng: np.random.Generator, data: bytes) -> bytes:
    """Bytes flipped, lost or put in."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        place = int(rng.integers(len(changed) or 1))
        change = rng.integers(4)
        if change == 0 and changed:
            changed[place] ^= 1 << int(rng.integers(8))
        elif change == 1:
            changed[place:place] = rng.bytes(int(rng.integers(1, 5)))
        elif change == 2:
            del changed[place : place + int(rng.integers(1, 9))]
        elif rng.random() < 0.3:
            del changed[place:]
    return bytes(changed)
