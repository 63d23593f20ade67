"""The image of a model: weights, tables and sizes in one block of bytes (streamrnn/target/image.py)."""

import struct
from typing import NamedTuple

import numpy as np

from streamrnn.errors import ModelError
from streamrnn.memory_layout import state_vectors, stream_layout
from streamrnn.plan import Plan
from streamrnn.states.snapshot import head
from streamrnn.target import image as at
from streamrnn.target.layout import CACHE_LINE, TABLE_REGION, At, Word

_IN_STREAM = ("state", "backup", "working")


class Image(NamedTuple):
    """The image of a model, and the sizes that its header file names.

    data            the image
    stream_bytes    bytes of a stream's memory
    snapshot_bytes  bytes of a snapshot
    """

    data: bytes
    stream_bytes: int
    snapshot_bytes: int


def image_of(plan: Plan, fingerprint: str) -> Image:
    """The image for a plan. Kernels are counted in the order of `plan.kernels`.

    Raises ModelError for a model that is too large: weights of more than 1 GB.
    """
    layout, itemsize = stream_layout(plan), np.dtype(plan.dtype).itemsize
    places, end = {TABLE_REGION: at.STREAM_HEAD}, at.STREAM_HEAD + _lines(8 * len(layout.words))
    for region in _IN_STREAM:
        places[region] = end
        end += _lines(layout.sizes.get(region, 0))
    vectors = [vector for of_op in state_vectors(plan) for vector in of_op.values()]
    first = np.zeros(layout.sizes["state"] // itemsize, plan.dtype)
    for begin, initial in vectors:
        first[begin : begin + initial.size] = initial

    writer = _Writer()
    numbers = {region: writer.append(_bytes(values), CACHE_LINE) for region, values in plan.numbers.items()}
    kernels = {region: number for number, region in enumerate(plan.kernels)}
    snapshot_head = head(fingerprint)
    n_values = sum(initial.size for _, initial in vectors)
    snapshot_bytes = len(snapshot_head) + n_values * itemsize + at.HASH_BYTES
    writer.fields |= {
        at.N_WORDS: len(layout.words),
        at.WORDS: writer.append(b"".join(_packed(word, places, numbers, kernels) for word in layout.words)),
        at.STREAM_BYTES: end,
        at.FIRST_STATE: writer.append(_bytes(first)),
        at.STATE: places["state"],
        at.STATE_COPY: places["backup"],
        at.STATE_BYTES: first.nbytes,
        at.N_VECTORS: len(vectors),
        at.VECTORS: writer.append(np.array([(begin * itemsize, v.size * itemsize) for begin, v in vectors], "<i8").tobytes()),
        at.SNAPSHOT_HEAD: writer.append(snapshot_head),
        at.HEAD_BYTES: len(snapshot_head),
        at.SNAPSHOT_BYTES: snapshot_bytes,
        at.ROUND_CONSTANTS: writer.append(np.array(_constants_of_sha256(), "<u4").tobytes()),
    }
    return Image(writer.data(), end, snapshot_bytes)


class _Writer:
    """Collects the parts of an image behind its fields."""

    def __init__(self) -> None:
        self.fields: dict[int, int] = {}
        self._data = bytearray(8 * at.FIELDS)

    def append(self, part: bytes, align: int = at.ALIGN) -> int:
        """Append a part, at a multiple of `align` bytes. Returns its offset."""
        self._data += bytes(-len(self._data) % align)
        begin = len(self._data)
        self._data += part
        return begin

    def data(self) -> bytes:
        """The image."""
        struct.pack_into(f"<{at.FIELDS}q", self._data, 0, *(self.fields[position] for position in range(at.FIELDS)))
        return bytes(self._data)


def _packed(word: Word, places: dict[str, int], numbers: dict[str, int], kernels: dict[str, int]) -> bytes:
    """A word of the table in 4 bytes."""
    if not isinstance(word, At):
        kind, number, room = at.LITERAL, int(word), 1 << (at.KIND_SHIFT - 1)
        fits = -room <= number < room
    else:
        if word.region in kernels:
            kind, number = at.OF_KERNEL, kernels[word.region]
        elif word.region in numbers:
            kind, number = at.IN_IMAGE, numbers[word.region] + word.offset
        else:
            kind, number = at.IN_STREAM, places[word.region] + word.offset
        fits = number < 1 << at.KIND_SHIFT
    if not fits:
        raise ModelError("the model is too large to be exported: its weights and states have more than 1 GB; run it in Python")
    return struct.pack("<I", kind << at.KIND_SHIFT | number & ((1 << at.KIND_SHIFT) - 1))


def _bytes(values: np.ndarray) -> bytes:
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def _lines(n_bytes: int) -> int:
    return -(-n_bytes // CACHE_LINE) * CACHE_LINE


def _constants_of_sha256() -> list[int]:
    """The initial values and round constants of SHA-256: the fractions of the roots of the first primes, in 32 bits."""
    primes = [n for n in range(2, 312) if all(n % d for d in range(2, int(n**0.5) + 1))]
    return [_fraction(prime, 2) for prime in primes[:8]] + [_fraction(prime, 3) for prime in primes[:64]]


def _fraction(number: int, root: int) -> int:
    """The first 32 bits of the fraction of a root, exactly."""
    shifted = number << (32 * root)
    low, high = 0, shifted
    while low < high:  # the whole root of a whole number
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**root <= shifted else (low, middle - 1)
    return low & 0xFFFFFFFF
