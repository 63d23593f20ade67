"""Rows in, outputs out, and at any time the state that belongs to the outputs that have been written."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

import numpy as np

from streamrnn.command.console import complain
from streamrnn.command.running.formats import Row
from streamrnn.errors import NonFiniteStateError
from streamrnn.stream import Stream
from streamrnn.target.packing import Array


class OnError(StrEnum):
    """What follows a row that cannot be used."""

    STOP = "stop"
    SKIP = "skip"


class Refused(Exception):  # noqa: N818 - standard error has the error
    """A row was refused, and the session is to stop at that."""


class Session:
    """Takes rows through a stream, in blocks that count as a whole or not at all.

    stream    where the signal goes through
    on_error  whether the first row that cannot be used ends the session
    longest   rows in a block at most

    state      snapshot of the stream behind the last block that was taken off `answers`
    n_refused  rows that could not be used
    """

    def __init__(self, stream: Stream, on_error: OnError, longest: int) -> None:
        self._stream = stream
        self._on_error = on_error
        self._longest = longest
        self.state = stream.snapshot()
        self.n_refused = 0

    def answers(self, rows: Iterable[Row]) -> Iterator[Array]:
        """The outputs, (n_steps, O), of all rows that there are, block by block.

        A block counts once the next is asked for: a caller who fails to write it leaves. A row that cannot be used is reported
        in its turn and leaves the state as it was; where `on_error` says so, Refused follows.
        """
        block: list[Row] = []
        for row in rows:
            if row.error or len(block) == self._longest:
                yield from self._answer(block)
                block = []
            if row.error:
                self._refuse(row.place, row.error)
            else:
                block.append(row)
        yield from self._answer(block)

    def _answer(self, block: list[Row]) -> Iterator[Array]:
        if not block:
            return
        try:
            outputs = self._outputs(block)
        except NonFiniteStateError as error:
            if len(block) == 1:
                self._refuse(block[0].place, str(error))
            else:  # one row is the cause; any chunking gives the same bits
                for row in block:
                    yield from self._answer([row])
        else:
            yield outputs
            self.state = self._stream.snapshot()

    def _outputs(self, block: list[Row]) -> Array:
        """What the stream answers. Raises NonFiniteStateError, the stream as it was, where its type cannot hold it."""
        outputs = self._stream.process(np.array([row.values for row in block], self._stream.model.dtype))
        if not np.isfinite(outputs).all():
            self._stream.restore(self.state)
            raise NonFiniteStateError(f"the output left the range of {outputs.dtype}; the step is undone; scale the input")
        return outputs

    def _refuse(self, place: str, error: str) -> None:
        self.n_refused += 1
        complain(f"error: {place}: {error}")
        if self._on_error is OnError.STOP:
            raise Refused
