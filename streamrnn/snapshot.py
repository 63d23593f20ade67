"""The bytes of a snapshot: a state, bound to the model that it belongs to, and a SHA-256 over them.

8 bytes   b"SRNNSTAT"
2 bytes   version, little-endian: 1
32 bytes  SHA-256 of the model (`Model.fingerprint`)
4 n bytes state vectors, float32 little-endian, layer by layer in the order of `Layer.states`
32 bytes  SHA-256 of all that
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import SnapshotError

_MAGIC = b"SRNNSTAT"
_VERSION = 1
_HEAD = len(_MAGIC) + 2
_HASH = 32


def encode(fingerprint: str, values: NDArray[np.float32]) -> bytes:
    """A snapshot of the state `values`, (n,) float32."""
    body = _MAGIC + _VERSION.to_bytes(2, "little") + bytes.fromhex(fingerprint) + values.astype("<f4").tobytes()
    return body + hashlib.sha256(body).digest()


def decode(fingerprint: str, n_values: int, data: bytes | bytearray | memoryview) -> NDArray[np.float32]:
    """The state in a snapshot, (n_values,) float32. Raises SnapshotError for any other bytes."""
    try:
        data = bytes(memoryview(data))
    except (TypeError, ValueError):
        raise SnapshotError(f"restore: {type(data).__name__} is not a snapshot; give the bytes of Stream.snapshot") from None
    body, digest = data[:-_HASH], data[-_HASH:]
    if len(body) < _HEAD + _HASH or not body.startswith(_MAGIC):
        raise SnapshotError("restore: not a snapshot; give the bytes of Stream.snapshot")
    if hashlib.sha256(body).digest() != digest:
        raise SnapshotError("restore: the snapshot is altered or truncated, its SHA-256 does not fit; take a new one")
    version = int.from_bytes(body[len(_MAGIC) : _HEAD], "little")
    if version != _VERSION:
        raise SnapshotError(f"restore: snapshot version {version}, but this version of streamrnn reads {_VERSION}")
    owner = body[_HEAD : _HEAD + _HASH].hex()
    if owner != fingerprint:
        raise SnapshotError(f"restore: the snapshot belongs to model {owner[:12]}…, not to this one, {fingerprint[:12]}…")
    values = np.frombuffer(body[_HEAD + _HASH :], "<f4") if (len(body) - _HEAD - _HASH) % 4 == 0 else np.zeros(0, "<f4")
    if values.size != n_values or not np.isfinite(values).all():
        raise SnapshotError("restore: the snapshot's state does not fit the model; take a new one")
    return values.astype(np.float32)
