"""SHA-256 (FIPS 180-4), for the snapshots of exported models."""

from streamrnn.kernels.inline import inline
from streamrnn.simd.memory import load_byte, load_int, load_int32, store_byte, store_int

_MASK = 0xFFFFFFFF


@inline
def _rotated(x, n):
    return ((x >> n) | (x << (32 - n))) & _MASK


@inline
def _message_byte(source, n_bytes, at):
    """A byte of the padded message, but for the number of its bits: the message, 0x80, zeros."""
    if at < n_bytes:
        return load_byte(source + at)
    return 0x80 if at == n_bytes else 0


@inline
def _schedule(words, source, n_bytes, n_padded, block):
    """Write the 64 words of a block, int64 each, to `words`. The last block ends with the number of bits, in two words.

    Shifts are by constants: of others, 32-bit ARM makes calls.
    """
    is_last = block + 64 == n_padded
    for index in range(64):
        if index < 16:
            word = 0
            for byte in range(4):
                word = (word << 8) | _message_byte(source, n_bytes, block + 4 * index + byte)
            if is_last and index == 14:
                word = (8 * n_bytes) >> 32
            if is_last and index == 15:
                word = (8 * n_bytes) & _MASK
        else:
            x, y = load_int(words + 8 * (index - 15)), load_int(words + 8 * (index - 2))
            small = _rotated(x, 7) ^ _rotated(x, 18) ^ (x >> 3)
            large = _rotated(y, 17) ^ _rotated(y, 19) ^ (y >> 10)
            word = (load_int(words + 8 * (index - 16)) + small + load_int(words + 8 * (index - 7)) + large) & _MASK
        store_int(words + 8 * index, word)


@inline
def sha256(source, n_bytes, constants, room):
    """The address of the hash of `n_bytes` bytes, in the room.

    constants  address of 8 initial values and 64 round constants, 32 bits each
    room       address of HASH_ROOM bytes: the words of a block, and 8 words of the hash and of a block's rounds, int64 each
    """
    hashed, now = room + 8 * 64, room + 8 * 72
    for index in range(8):
        store_int(hashed + 8 * index, load_int32(constants + 4 * index) & _MASK)
    n_padded = (n_bytes + 9 + 63) // 64 * 64
    block = 0
    while block < n_padded:
        _schedule(room, source, n_bytes, n_padded, block)
        for index in range(8):
            store_int(now + 8 * index, load_int(hashed + 8 * index))
        for index in range(64):
            a, b, c = load_int(now), load_int(now + 8), load_int(now + 16)
            e, f, g = load_int(now + 32), load_int(now + 40), load_int(now + 48)
            mixed = _rotated(e, 6) ^ _rotated(e, 11) ^ _rotated(e, 25)
            first = load_int(now + 56) + mixed + ((e & f) ^ (~e & _MASK & g))
            first += load_int32(constants + 32 + 4 * index) + load_int(room + 8 * index)
            second = (_rotated(a, 2) ^ _rotated(a, 13) ^ _rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))
            last = load_int(now + 24)
            for at in range(7, 0, -1):
                store_int(now + 8 * at, load_int(now + 8 * (at - 1)))
            store_int(now + 32, (last + first) & _MASK)
            store_int(now, (first + second) & _MASK)
        for index in range(8):
            store_int(hashed + 8 * index, (load_int(hashed + 8 * index) + load_int(now + 8 * index)) & _MASK)
        block += 64
    for index in range(8):
        word = load_int(hashed + 8 * index)
        for byte in range(4):
            store_byte(room + 4 * index + byte, word >> 24)
            word <<= 8
    return room
