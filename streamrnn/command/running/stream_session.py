"""The rows of one signal to outputs, and at any time the state that belongs to the outputs that have been written."""

from collections.abc import Iterable, Iterator

import numpy as np

from streamrnn.command.running.formats import Row
from streamrnn.command.running.row_errors import RowErrors
from streamrnn.errors import NonFiniteStateError
from streamrnn.stream import Stream
from streamrnn.target.packing import Array


class StreamSession:
    """Steps a stream through rows, in blocks that count as a whole or not at all.

    stream    processes the signal
    errors    is told of rows that cannot be used
    max_rows  the most rows of a block

    state  snapshot of the stream after the last block that counts
    """

    def __init__(self, stream: Stream, errors: RowErrors, max_rows: int) -> None:
        self._stream = stream
        self._errors = errors
        self._max_rows = max_rows
        self.state = stream.snapshot()

    def outputs(self, rows: Iterable[Row]) -> Iterator[Array]:
        """The outputs (n_steps, O) of rows, block by block.

        A block counts when the next one is asked for; a caller that fails to write it must stop. A bad row is reported after
        the outputs of the rows before it, and leaves the state as it was. Raises Stopped as `errors` does.
        """
        block: list[Row] = []
        for row in rows:
            if row.error or len(block) == self._max_rows:
                yield from self._process(block)
                block = []
            if row.error:
                self._errors.report(row, row.error)
            else:
                block.append(row)
        yield from self._process(block)

    def _process(self, block: list[Row]) -> Iterator[Array]:
        if not block:
            return
        try:
            outputs = self._compute(block)
        except NonFiniteStateError as error:
            if len(block) == 1:
                self._errors.report(block[0], str(error))
            else:  # find the row that causes it; blocks of any size give the same bits
                for row in block:
                    yield from self._process([row])
        else:
            yield outputs
            self.state = self._stream.snapshot()

    def _compute(self, block: list[Row]) -> Array:
        """The outputs of a block. Raises NonFiniteStateError, with the stream unchanged, if a state or an output overflows."""
        outputs = self._stream.process(np.array([row.values for row in block], self._stream.model.dtype))
        if not np.isfinite(outputs).all():
            self._stream.restore(self.state)
            raise NonFiniteStateError(f"the output left the range of {outputs.dtype}; the step is undone; scale the input")
        return outputs
