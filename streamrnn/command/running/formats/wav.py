"""wav: audio. A frame of as many channels as the model has inputs is a row; outputs are written as float32 channels.

soundfile reads it, in any encoding that it knows, as float32 between -1 and 1. To write it takes a header only, so that a block
of outputs is written as in any other format.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from streamrnn.command.running.formats.f32 import F32Reader
from streamrnn.errors import InputError, MissingExtraError

_FRAMES = 1 << 12  # read at once
_IEEE_FLOAT = 3
_BYTES = 4
_UNKNOWN = 0xFFFFFFFF  # the size of a stream whose end is not known


class WavReader(F32Reader):
    """Rows from the frames that `Recording.frames` gives."""

    def _location(self) -> str:
        return f"frame {self._number + 1}"


class Recording:
    """An open wav file. Made by `opened`.

    rate  frames per second
    """

    def __init__(self, file: Any, name: str) -> None:
        self._file, self._name = file, name
        self.rate: int = file.samplerate

    def frames(self, wait: Callable[[], None]) -> Iterator[bytes]:
        """The frames as raw float32. `wait` is called before each read. Raises InputError if the file is damaged."""
        while True:
            wait()
            try:
                block = self._file.read(_FRAMES, dtype="float32", always_2d=True)
            except RuntimeError as error:
                raise InputError(f"{self._name}: cannot be read as audio ({error})") from None
            if not len(block):
                return
            yield block.astype("<f4").tobytes()


@contextmanager
def opened(descriptor: int, name: str, channels: int) -> Iterator[Recording]:
    """The wav in a regular file.

    Raises InputError if it is not audio, or has another number of channels; MissingExtraError without soundfile.
    """
    try:
        soundfile = import_module("soundfile")
    except (ImportError, OSError):  # OSError: without the library that it wraps
        raise MissingExtraError(
            "soundfile is not installed, which reads wav; `pip install 'streamrnn[audio]'` installs it"
        ) from None
    try:
        file = soundfile.SoundFile(descriptor, closefd=False)
    except RuntimeError as error:
        raise InputError(f"{name}: cannot be read as audio ({error}); give its --format") from None
    with file:
        if file.channels != channels:
            raise InputError(
                f"{name}: has {file.channels} channel{'s' * (file.channels > 1)}, but the model takes {channels} "
                f"value{'s' * (channels > 1)}; convert it to {channels}"
            )
        yield Recording(file, name)


def header(rate: int, channels: int, n_bytes: int | None = None) -> bytes:
    """The header of a wav with `n_bytes` bytes of float32 samples after it; None: not known yet."""
    frame = channels * _BYTES
    form = struct.pack("<4sIHHIIHHH", b"fmt ", 18, _IEEE_FLOAT, channels, rate, rate * frame, frame, 8 * _BYTES, 0)
    known = n_bytes is not None and n_bytes + 50 <= _UNKNOWN
    data_size, riff_size = (n_bytes or 0, (n_bytes or 0) + 50) if known else (_UNKNOWN, _UNKNOWN)
    fact = struct.pack("<4sII", b"fact", 4, data_size // frame)
    return struct.pack("<4sI4s", b"RIFF", riff_size, b"WAVE") + form + fact + struct.pack("<4sI", b"data", data_size)
