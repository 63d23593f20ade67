"""The rows of one signal to outputs, and at any time the state that belongs to the outputs that have been written."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from streamrnn.audio import OutputRows
from streamrnn.command.running.blocks import Block, BlockSize, blocks_of, overflowed
from streamrnn.command.running.formats import Format, Row, max_row_bytes
from streamrnn.command.running.row_errors import RowErrors
from streamrnn.errors import NonFiniteStateError
from streamrnn.stream import Stream
from streamrnn.target.packing import Array

Watch = Callable[[Sequence[Row], Array], None]


class StreamSession:
    """Steps a stream through rows, in blocks that count as a whole or not at all.

    stream         processes the signal
    errors         is told of rows that cannot be used
    target_format  of the output
    max_bytes      the most bytes of the output of a block of several rows
    watch          is told of the rows and outputs of each block that counts

    state  snapshot of the stream after the last block that counts
    last   location of the last row of that block; "": none
    """

    def __init__(
        self,
        stream: Stream,
        errors: RowErrors,
        target_format: Format,
        max_bytes: int,
        watch: Watch = lambda rows, outputs: None,
    ) -> None:
        self._stream = stream
        self._errors, self._watch = errors, watch
        self._format = target_format
        self._n_each = OutputRows.of(stream.model).rows
        self._size = BlockSize(max_row_bytes(stream.model), max_bytes, max_bytes)
        self.state, self.last = stream.snapshot(), ""

    def outputs(self, rows: Iterable[Row]) -> Iterator[bytes]:
        """The output of rows, block by block.

        A block counts when the next one is asked for; a caller that fails to write it must stop. A bad row is reported after
        the output of the rows before it, and leaves the state as it was. Raises Stopped as `errors` does.
        """
        for block in blocks_of(rows, self._format, self._size):
            if isinstance(block, Row):
                self._errors.report(block, block.error)
            else:
                yield from self._process(block)

    def _process(self, block: Block) -> Iterator[bytes]:
        try:
            outputs = self._compute(block.rows)
        except NonFiniteStateError as error:
            if len(block.rows) == 1:
                self._errors.report(block.rows[0], str(error))
            else:  # find the row that causes it; blocks of any size give the same bits
                for index in range(len(block.rows)):
                    yield from self._process(block.part(index, index + 1))
        else:
            self._watch(block.rows, outputs)
            yield block.encoded(outputs, self._format, self._n_each)
            self.state, self.last = self._stream.snapshot(), block.rows[-1].location

    def _compute(self, block: list[Row]) -> Array:
        """The outputs of a block. Raises NonFiniteStateError, with the stream unchanged, if a state or an output overflows."""
        model = self._stream.model
        outputs = self._stream.process(np.array([row.values for row in block], model.dtype).reshape(-1, model.input_size))
        if dtype := overflowed(outputs, self._format):
            self._stream.restore(self.state)
            raise NonFiniteStateError(f"the output left the range of {dtype}; the step is undone; scale the input")
        return outputs
