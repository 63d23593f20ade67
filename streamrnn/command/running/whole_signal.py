"""A signal that is read as a whole, for commands that look at all of it."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamrnn.command.running.file_descriptors import open_source
from streamrnn.command.running.formats import Columns, Format, rows_as_they_arrive
from streamrnn.command.running.source_bytes import reading_shown, source_bytes
from streamrnn.errors import InputError, StreamRNNError
from streamrnn.model import Model
from streamrnn.target.packing import Array

#: Values that a signal may have: 400 MB in float32.
MOST_VALUES = 100_000_000


class Signal(NamedTuple):
    """A signal that was read.

    rows  (n_rows, input_size), of the model's dtype
    rate  frames per second of audio; 0: of anything else
    """

    rows: Array
    rate: int


class _PlainWaits:
    """Reads that wait as the system does: Ctrl-C ends them by KeyboardInterrupt."""

    def __init__(self, source: int) -> None:
        self._source = source

    def read(self, n_bytes: int) -> bytes:
        return os.read(self._source, n_bytes)

    def wait_for_input(self) -> None:
        pass

    def wait_for_output(self) -> None:
        pass


def read_signal(model: Model, path: Path, source_format: Format, columns: Columns) -> Signal:
    """The rows of a file.

    Raises InputError, naming the line, for one that cannot be used; StreamRNNError for a file that cannot be read.
    """
    values: list[Array] = []
    with open_source(path) as source:
        reader = source_format.reader(model.input_size, columns)
        with (
            source_bytes(source, source_format, model.input_size, _PlainWaits(source.descriptor)) as (chunks, rate),
            reading_shown(chunks, source) as shown,
        ):
            for rows in rows_as_they_arrive(reader, shown):
                for row in rows:
                    if row.error:
                        raise InputError(f"{row.location}: {row.error}")
                    values.append(np.array(row.values, model.dtype))
                if len(values) * model.input_size > MOST_VALUES:
                    raise StreamRNNError(f"{path}: has more than {MOST_VALUES} values; cut it")
    return Signal(np.array(values, model.dtype).reshape(-1, model.input_size), rate)
