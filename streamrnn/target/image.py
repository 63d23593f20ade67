"""An image: all that an exported model holds beside its code, in one block of read-only memory.

It begins with the numbers below, int64, little-endian. Offsets count from the beginning of the image. Weights come next, each
array on a cache line. All else begins at a multiple of ALIGN bytes. `streamrnn/exporting/image.py` writes it,
`streamrnn/kernels/exported.py` reads it.

The memory of an exported stream begins with its own address, then come the table (streamrnn/target/record.py), the states, the
copy of the states, and working memory.
"""

from typing import Final

N_WORDS: Final = 0  # of the table
WORDS: Final = 1  # offset of the words, 4 bytes each: see KIND_SHIFT
STREAM_BYTES: Final = 2  # of a stream's memory, whole cache lines
FIRST_STATE: Final = 3  # offset of the states in which a stream begins, with their gaps
STATE: Final = 4  # offset in the stream, of its states
STATE_COPY: Final = 5  # and of their copy
STATE_BYTES: Final = 6
N_VECTORS: Final = 7  # state vectors
VECTORS: Final = 8  # offset of two numbers for each, int64: its offset in the states, and its bytes
SNAPSHOT_HEAD: Final = 9  # offset of the first bytes of a snapshot, and of
HEAD_BYTES: Final = 10  # how many there are
SNAPSHOT_BYTES: Final = 11  # of a whole snapshot
ROUND_CONSTANTS: Final = 12  # offset of the constants of SHA-256, 32 bits each
FIELDS: Final = 13

ALIGN: Final = 8

#: A word of the table: what it is, in the two highest of 32 bits, and a number.
KIND_SHIFT: Final = 30
LITERAL: Final = 0  # the number itself, in 30 bits with a sign
IN_IMAGE: Final = 1  # the address so many bytes after the beginning of the image,
IN_STREAM: Final = 2  # of the stream,
OF_KERNEL: Final = 3  # or the address of the kernel of that index

#: Bytes before the table in a stream's memory.
STREAM_HEAD: Final = 64

#: Bytes of room that the SHA-256 of a snapshot needs (streamrnn/kernels/sha256.py).
HASH_ROOM: Final = 640
HASH_BYTES: Final = 32

#: Status beside those of a driver.
NOT_RESET: Final = 4
BAD_SNAPSHOT: Final = 5
