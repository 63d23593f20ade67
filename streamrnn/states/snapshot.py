"""The bytes of a snapshot: a state, the fingerprint of its model, and a SHA-256 of both.

8 bytes   b"SRNNSTAT"
2 bytes   version, little-endian: 1
32 bytes  SHA-256 of the model (`Model.fingerprint`)
the rest  state vectors, little-endian in the model's dtype, layer by layer in the order of `Layer.states`
32 bytes  SHA-256 of everything before
"""

import hashlib
from typing import Any

import numpy as np

from streamrnn.errors import SnapshotError
from streamrnn.target.image import HASH_BYTES
from streamrnn.target.packing import Array

_MAGIC = b"SRNNSTAT"
_VERSION = 1
_HEAD = len(_MAGIC) + 2


def encode(fingerprint: str, values: Array) -> bytes:
    """A snapshot of the state `values`, (n_values,)."""
    return pack(fingerprint, values.astype(values.dtype.newbyteorder("<")).tobytes())


def head(fingerprint: str) -> bytes:
    """The bytes of a snapshot before the state."""
    return _MAGIC + _VERSION.to_bytes(2, "little") + bytes.fromhex(fingerprint)


def pack(fingerprint: str, state: bytes) -> bytes:
    """A snapshot of a state in little-endian bytes."""
    body = head(fingerprint) + state
    return body + hashlib.sha256(body).digest()


def unpack(data: bytes | bytearray | memoryview) -> tuple[str, bytes]:
    """The fingerprint and the state's bytes in a snapshot. Raises SnapshotError for bytes that are not a whole snapshot."""
    try:
        data = bytes(memoryview(data))
    except Exception as error:  # of the caller's object
        raise SnapshotError(f"restore: {type(data).__name__} is not a snapshot; give bytes that snapshot() returned") from error
    body, digest = data[:-HASH_BYTES], data[-HASH_BYTES:]
    if len(body) < _HEAD + HASH_BYTES or not body.startswith(_MAGIC):
        raise SnapshotError("restore: not a snapshot; give bytes that snapshot() returned")
    if hashlib.sha256(body).digest() != digest:
        raise SnapshotError("restore: the snapshot is altered or truncated: its SHA-256 does not match; take a new one")
    version = int.from_bytes(body[len(_MAGIC) : _HEAD], "little")
    if version != _VERSION:
        raise SnapshotError(
            f"restore: snapshot version {version}, but this version of streamrnn reads {_VERSION}; upgrade streamrnn"
        )
    return body[_HEAD : _HEAD + HASH_BYTES].hex(), body[_HEAD + HASH_BYTES :]


def decode(
    fingerprint: str,
    n_values: int,
    dtype: np.dtype[np.floating[Any]],
    data: bytes | bytearray | memoryview,
    any_owner: bool = False,
) -> Array:
    """The state in a snapshot, (n_values,), of a dtype. Raises SnapshotError for bytes that are not one of this model.

    any_owner  whether it may be of another model, whose states have the same shapes: their number and dtype are checked
    """
    owner, state = unpack(data)
    if owner != fingerprint and not any_owner:
        raise SnapshotError(
            f"restore: the snapshot belongs to model {owner[:12]}…, not to this one, {fingerprint[:12]}…; use its own model, "
            "or same_shapes=True if this is that model with other weights"
        )
    values = np.frombuffer(state, dtype.newbyteorder("<")) if len(state) == n_values * dtype.itemsize else None
    if values is None or not np.isfinite(values).all():
        raise SnapshotError("restore: the snapshot's state does not fit the model; take a new one")
    return values.astype(dtype)
