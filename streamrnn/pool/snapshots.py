"""Snapshots of several streams of a pool at once."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from streamrnn.boundary import refusing
from streamrnn.errors import InputError
from streamrnn.model import Model
from streamrnn.states import snapshot
from streamrnn.target.packing import Array


def encode_all(model: Model, states: Array) -> list[bytes]:
    """A snapshot of each row of `states`, (n, n_values)."""
    return [snapshot.encode(model.fingerprint, state) for state in states]


def as_snapshots(saved: Any, one: bool) -> list[Any]:
    """What a caller passes as a snapshot (`one`), or as several, as a list. Raises InputError for what is neither."""
    if not isinstance(saved, Iterable):
        raise InputError(f"restore: {type(saved).__name__} is not a snapshot, nor a list of snapshots")
    with refusing(InputError, "restore: the snapshots cannot be read"):
        return [saved] if one or isinstance(saved, bytes | bytearray | memoryview) else list(saved)


def decode_all(model: Model, n_values: int, n: int, saved: list[Any], any_owner: bool) -> Array:
    """The states in n snapshots, (n, n_values). Raises InputError for another number, SnapshotError for other bytes."""
    if len(saved) != n:
        raise InputError(f"restore: {n} streams, but {len(saved)} snapshots; give one for each")
    states = [snapshot.decode(model.fingerprint, n_values, model.dtype, data, any_owner) for data in saved]
    return np.array(states, model.dtype).reshape(n, n_values)
