"""What an exported model does beside the driver: begin a stream in the caller's memory, advance it, save and load its state.

All of it works on an image (streamrnn/target/image.py) and on addresses. Nothing is allocated, and nothing is kept elsewhere.
"""

from streamrnn.kernels.driver import advance as driver
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, finite_check, whole_copy
from streamrnn.kernels.sha256 import sha256
from streamrnn.simd.memory import load_byte, load_int, load_int32, store_byte, store_int
from streamrnn.target.image import (
    BAD_SNAPSHOT,
    FIRST_STATE,
    HASH_BYTES,
    HASH_ROOM,
    HEAD_BYTES,
    IN_IMAGE,
    IN_STREAM,
    KIND_SHIFT,
    LITERAL,
    N_VECTORS,
    N_WORDS,
    NOT_RESET,
    OF_KERNEL,
    ROUND_CONSTANTS,
    SNAPSHOT_BYTES,
    SNAPSHOT_HEAD,
    STATE,
    STATE_BYTES,
    STATE_COPY,
    STREAM_BYTES,
    STREAM_HEAD,
    VECTORS,
    WORDS,
)
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE

_NUMBER_BITS = (1 << KIND_SHIFT) - 1
_SIGN = 1 << (KIND_SHIFT - 1)


@inline
def _is_ready(stream):
    """Whether a stream has begun at this place: it knows its own address."""
    return load_int(stream) == stream


@inline
def _copy_bytes(target, source, n_bytes):
    for at in range(n_bytes):
        store_byte(target + at, load_byte(source + at))


@inline
def _are_equal(one, other, n_bytes):
    different = 0
    for at in range(n_bytes):
        different |= load_byte(one + at) ^ load_byte(other + at)
    return different == 0


@inline
def _copy_states(image, packed, states, are_saved):
    """Copy the state vectors to where they lie one after the other, or from there."""
    vector = image + field(image, VECTORS)
    for _ in range(field(image, N_VECTORS)):
        place, n_bytes = states + load_int(vector), load_int(vector + 8)
        _copy_bytes(packed if are_saved else place, place if are_saved else packed, n_bytes)
        packed += n_bytes
        vector += 16


@inline
def _bind(stream, image, kernels):
    """Write the table, with the addresses that it has here."""
    words = image + field(image, WORDS)
    for index in range(field(image, N_WORDS)):
        word = load_int32(words + 4 * index) & 0xFFFFFFFF
        kind, number = word >> KIND_SHIFT, word & _NUMBER_BITS
        if kind == LITERAL:
            number = (number ^ _SIGN) - _SIGN
        elif kind == IN_IMAGE:
            number += image
        elif kind == IN_STREAM:
            number += stream
        elif kind == OF_KERNEL:
            number = load_int(kernels + 8 * number)
        store_int(stream + STREAM_HEAD + 8 * index, number)


def _begin(width: Width) -> Part:
    copy = whole_copy(width)

    @inline
    def begin(stream, image, kernels):
        """Begin a stream in the initial state: all of its memory is set."""
        for at in range(0, field(image, STREAM_BYTES), 8):
            store_int(stream + at, 0)
        _bind(stream, image, kernels)
        copy(stream + field(image, STATE), image + field(image, FIRST_STATE), field(image, STATE_BYTES))
        store_int(stream, stream)

    return begin


def reset(width: Width) -> Kernel:
    """(stream, image, kernels, -): begin a stream. `kernels` is the address of the kernels' addresses."""
    begin = _begin(width)

    def reset(stream, image, kernels, _):
        begin(stream, image, kernels)
        return DONE

    return reset


def advance(width: Width) -> Kernel:
    """(stream, x, y, n_steps): the driver's status; NOT_RESET for memory that is not that of a stream, or that was moved."""
    advance_plan = driver(width)

    def advance(stream, x, y, n_steps):
        if not _is_ready(stream):
            return NOT_RESET
        return advance_plan(stream + STREAM_HEAD, x, y, n_steps)

    return advance


def snapshot(width: Width) -> Kernel:
    """(stream, image, bytes, room): write a snapshot to `bytes`, or set the state to that of one.

    room  address of room: not 0 to save; room for SHA-256; the kernels' addresses

    Saving returns DONE, or NOT_RESET. Loading returns DONE, or BAD_SNAPSHOT; then the state of a stream that had begun is as it
    was. A stream that has not begun begins. One function for both, as both need SHA-256.
    """
    begin, all_finite, copy, itemsize = _begin(width), finite_check(width), whole_copy(width), width.itemsize

    def snapshot(stream, image, bytes, room):
        is_saved, states, state_copy = load_int(room) != 0, bytes + field(image, HEAD_BYTES), stream + field(image, STATE_COPY)
        body_bytes = field(image, SNAPSHOT_BYTES) - HASH_BYTES
        if is_saved:
            if not _is_ready(stream):
                return NOT_RESET
            _copy_bytes(bytes, image + field(image, SNAPSHOT_HEAD), field(image, HEAD_BYTES))
            _copy_states(image, states, stream + field(image, STATE), is_saved)
        elif not _are_equal(bytes, image + field(image, SNAPSHOT_HEAD), field(image, HEAD_BYTES)):
            return BAD_SNAPSHOT
        found = sha256(bytes, body_bytes, image + field(image, ROUND_CONSTANTS), room + 8)
        if is_saved:
            _copy_bytes(bytes + body_bytes, found, HASH_BYTES)
            return DONE
        if not _are_equal(bytes + body_bytes, found, HASH_BYTES):
            return BAD_SNAPSHOT
        if not _is_ready(stream):
            begin(stream, image, room + 8 + HASH_ROOM)
        copy(state_copy, image + field(image, FIRST_STATE), field(image, STATE_BYTES))
        _copy_states(image, states, state_copy, is_saved)
        if not all_finite(state_copy, field(image, STATE_BYTES) // itemsize):
            return BAD_SNAPSHOT
        copy(stream + field(image, STATE), state_copy, field(image, STATE_BYTES))
        return DONE

    return snapshot
