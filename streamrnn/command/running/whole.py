"""All rows in, then all outputs: for a model that needs the end of a signal before it can answer its beginning."""

from collections.abc import Iterable, Iterator

import numpy as np

from streamrnn.command.console import complain
from streamrnn.command.running.formats import Row
from streamrnn.command.running.session import OnError, Refused
from streamrnn.errors import StreamRNNError
from streamrnn.model import Model
from streamrnn.offline import run_offline
from streamrnn.target.packing import Array

MOST_VALUES = 1 << 24  # of a recording: what one takes for Ctrl-C to be heeded soon


class Whole:
    """Takes rows as one recording, and answers it in blocks; like a Session, but without a state.

    model     any
    on_error  whether the first row that cannot be used ends it, before anything is answered
    longest   rows in a block at most
    most      values in the recording at most

    n_refused  rows that could not be used
    """

    def __init__(self, model: Model, on_error: OnError, longest: int, most: int = MOST_VALUES) -> None:
        self._model = model
        self._on_error = on_error
        self._longest = longest
        self._most = most
        self.n_refused = 0

    def answers(self, rows: Iterable[Row]) -> Iterator[Array]:
        """The outputs, (n_steps, O), of all rows, block by block, behind the last of them.

        A row that cannot be used is reported, and left out or, where `on_error` says so, followed by Refused. Raises
        StreamRNNError for a recording that is too long, or overflows.
        """
        parts: list[Array] = []
        n_values = 0
        for row in rows:
            if row.error:
                self.n_refused += 1
                complain(f"error: {row.place}: {row.error}")
                if self._on_error is OnError.STOP:
                    raise Refused
                continue
            parts.append(np.array(row.values, self._model.dtype))
            n_values += parts[-1].size
            if n_values > self._most:
                raise StreamRNNError(
                    f"{row.place}: the recording has more than {self._most} values, which must be read before the first is "
                    "answered; cut it, or call streamrnn.run_offline"
                )
        outputs = run_offline(self._model, np.array(parts, self._model.dtype).reshape(len(parts), self._model.input_size))
        if not np.isfinite(outputs).all():
            raise StreamRNNError(f"the output left the range of {outputs.dtype}; scale the input")
        for begin in range(0, len(outputs), self._longest):
            yield outputs[begin : begin + self._longest]
