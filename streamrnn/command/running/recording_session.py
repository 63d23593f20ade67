"""All rows first, then all outputs: for a model that needs the end of a signal to compute its beginning."""

from collections.abc import Iterable, Iterator

import numpy as np

from streamrnn.audio import OutputRows
from streamrnn.command.running.blocks import Block, labelled, overflowed
from streamrnn.command.running.formats import Format, Row, max_row_bytes
from streamrnn.command.running.row_errors import RowErrors
from streamrnn.errors import StreamRNNError
from streamrnn.model import Model
from streamrnn.offline import run_offline
from streamrnn.target.packing import Array

#: The most values of a recording; a longer one would delay Ctrl-C for too long.
MAX_VALUES = 1 << 24


class RecordingSession:
    """Takes all rows as one recording, and answers it in blocks. It has no state to keep.

    model          of any kind
    errors         is told of rows that cannot be used
    target_format  of the output
    max_bytes      the most bytes of the output of several rows, without their labels
    max_values     the most values of the recording
    """

    def __init__(
        self, model: Model, errors: RowErrors, target_format: Format, max_bytes: int, max_values: int = MAX_VALUES
    ) -> None:
        self._model = model
        self._errors = errors
        self._format = target_format
        self._n_each = OutputRows.of(model).rows
        self._max_rows = max(1, max_bytes // max_row_bytes(model))
        self._max_values = max_values

    def outputs(self, rows: Iterable[Row]) -> Iterator[bytes]:
        """The output of all rows, block by block, after the last row.

        A bad row is reported and skipped. Raises Stopped as `errors` does, before the first output, and StreamRNNError if the
        recording is too long or an output overflows.
        """
        values: list[Array] = []
        block = Block([], [])
        n_values = 0
        for row in rows:
            row, label = labelled(row, self._format)
            if row.error:
                self._errors.report(row, row.error)
                continue
            values.append(np.array(row.values, self._model.dtype))
            block.labels.append(label)
            n_values += values[-1].size
            if n_values > self._max_values:
                raise StreamRNNError(
                    f"{row.location}: the recording has more than {self._max_values} values, and this model must read all of "
                    "it before the first output; cut it, or call streamrnn.run_offline"
                )
        outputs = run_offline(self._model, np.array(values, self._model.dtype).reshape(-1, self._model.input_size))
        if dtype := overflowed(outputs, self._format):
            raise StreamRNNError(f"the output left the range of {dtype}; scale the input")
        for begin in range(0, len(outputs), self._max_rows):
            end = begin + self._max_rows
            yield block.part(begin, end).encoded(outputs[begin:end], self._format, self._n_each)
