"""f32: raw little-endian float32 numbers, one record of the input size after the other."""

from collections.abc import Iterator

import numpy as np

from streamrnn.command.running.formats.columns import Columns
from streamrnn.command.running.formats.row import Row, checked
from streamrnn.errors import InputError
from streamrnn.target.packing import Array

_BYTES = 4


class F32Reader:
    """Rows from records of `size` float32 numbers. The columns have no names and no keys."""

    def __init__(self, size: int, columns: Columns = Columns()) -> None:  # noqa: B008 - it is immutable
        self._size = size
        self._rest = b""
        self._number = 0

    def feed(self, data: bytes) -> Iterator[Row]:
        """The rows of the records that `data` completes."""
        record = self._size * _BYTES
        data = self._rest + data
        whole = len(data) // record
        self._rest = data[whole * record :]
        for values in np.frombuffer(data, "<f4", whole * self._size).reshape(whole, self._size).tolist():
            location = self._location()
            self._number += 1
            try:
                yield Row(location, checked(values, self._size))
            except InputError as error:
                yield Row(location, error=str(error))

    def finish(self) -> Iterator[Row]:
        """An error if the last record is not complete."""
        if self._rest:
            yield Row(self._location(), error=f"cut off after {len(self._rest)} of its {self._size * _BYTES} bytes")
            self._rest = b""

    def _location(self) -> str:
        return f"record {self._number + 1} at byte {self._number * self._size * _BYTES}"


def encode(outputs: Array) -> bytes:
    """Outputs (n_steps, O) as n_steps records."""
    return outputs.astype("<f4").tobytes()
