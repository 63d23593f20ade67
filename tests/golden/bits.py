"""The bits of a model: hashes of its outputs for its signal, and of its final snapshot."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from streamrnn import Model, Stream, StreamPool
from tests.golden.models import N_STEPS, signal

#: Made once by `python -m tests.golden.make`, from the engine at cd140ad; those of stored types from that at e075573.
FILE = Path(__file__).parent / "bits.json"

#: Steps of the short hash, for drivers that are slow.
SHORT = 20

#: Lengths of the chunks in which a stream takes the signal: single steps, whole tiles and parts of tiles.
_CUTS = [1] * 7 + [2, 3, 5, 23, 24, 25, 47, 49, 96, 1, 100, 118]

_OTHERS = 4  # other streams in the pool, besides the one that is hashed
_CHECKED = 2  # index of the one that is hashed


def recorded() -> dict[str, Any]:
    """The recorded hashes: name of a model -> dtype -> hashes."""
    found: dict[str, Any] = json.loads(FILE.read_text("ascii"))
    return found


def stream_bits(name: str, model: Model) -> dict[str, str]:
    """The hashes of a stream that takes the signal of `name` in steps and chunks."""
    assert sum(_CUTS) == N_STEPS
    stream, parts, begin = Stream(model), [], 0
    x = signal(name, model.input_size).astype(model.dtype)
    for count in _CUTS:
        chunk = x[begin : begin + count]
        parts.append(stream.process(chunk) if count > 1 else stream.step(chunk[0])[None])
        begin += count
    return _hashes(np.concatenate(parts), stream.snapshot())


def pool_bits(name: str, model: Model, pool_type: Any = StreamPool, n_steps: int = N_STEPS) -> dict[str, str]:
    """The hashes of a stream in a pool, among others that take the same signal later: half of it in ticks, half in a chunk."""
    pool = pool_type(model)
    slots = [pool.open() for _ in range(_OTHERS + 1)]
    one = signal(name, model.input_size).astype(model.dtype)
    x = np.stack([np.roll(one, index - _CHECKED, axis=0) for index in range(len(slots))])[:, :n_steps]
    ticks = [pool.step(slots, x[:, step])[_CHECKED] for step in range(n_steps // 2)]
    chunk = pool.process(slots, np.ascontiguousarray(x[:, n_steps // 2 :]))[_CHECKED]
    return _hashes(np.concatenate([np.stack(ticks), chunk]), pool.snapshot(slots[_CHECKED]))


def _hashes(y: Any, snapshot: bytes) -> dict[str, str]:
    assert sys.byteorder == "little"
    found = {"short": _hash(y[:SHORT].tobytes())}
    if len(y) == N_STEPS:
        found |= {"outputs": _hash(y.tobytes()), "snapshot": _hash(snapshot)}
    return found


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
