"""Rows of many signals in, outputs out, and in the store the states that belong to the outputs that have been written."""

from collections.abc import Callable, Iterable, Iterator
from typing import cast

import numpy as np
from numpy.typing import NDArray

from streamrnn.command.console import complain
from streamrnn.command.running.formats import LONGEST_NUMBER, Format, Row
from streamrnn.command.running.progress import Progress
from streamrnn.command.running.session import OnError, Refused
from streamrnn.errors import InputError, NonFiniteStateError, StreamRNNError
from streamrnn.pool import StreamPool
from streamrnn.states.store import StateStore
from streamrnn.target.packing import Array

#: Rows that are computed together at most; a pool has room for as many streams.
MOST_ROWS = 4096


class KeyedSession:
    """Takes rows through the streams of their keys, in blocks that count as a whole or not at all.

    pool, store  where the signals go through, and where their states are: the pool's are those of the store before each block
    on_error     whether the first row that cannot be used ends the session
    write_as     the format of the output
    longest      bytes of a block's output, about, at most
    progress     how far the last session has got; rows up to there are passed over
    sync         has what was written survive a power failure

    n_refused    rows that could not be used
    """

    def __init__(
        self,
        pool: StreamPool,
        store: StateStore,
        on_error: OnError,
        write_as: Format,
        longest: int,
        progress: Progress,
        sync: Callable[[], None],
    ) -> None:
        self._pool, self._store, self._on_error, self._write_as, self._sync = pool, store, on_error, write_as, sync
        self._label = cast(Callable[[str | int], str], write_as.label)
        self._longest = longest
        self._row_bytes = LONGEST_NUMBER * pool.model.output_size
        self._before, self._passed, self._progress = progress, Progress(), progress
        self.n_refused = 0
        self.commit()

    def answers(self, rows: Iterable[Row]) -> Iterator[bytes]:
        """The output of all rows that there are, block by block.

        A block counts, and its states are committed, once the next is asked for: a caller who fails to write it leaves. A row
        that cannot be used is reported in its turn and leaves the states as they were; where `on_error` says so, Refused
        follows.
        """
        block: list[Row] = []
        labels: list[str] = []
        room = self._longest
        for row in self._new(rows):
            label = ""
            if not row.error:
                try:
                    label = self._label(row.key)
                except InputError as error:
                    row = row._replace(error=str(error))
            room -= self._row_bytes + len(label.encode())
            if row.error or (block and room < 0) or len(block) == MOST_ROWS:
                yield from self._answer(block, labels)
                block, labels = [], []
                room = self._longest - self._row_bytes - len(label.encode())
            if row.error:
                self._refuse(row, row.error)
            else:
                block.append(row)
                labels.append(label)
        yield from self._answer(block, labels)
        self.commit()

    def finish(self) -> None:
        """Raise StreamRNNError where the input has ended before the rows that were to be passed over."""
        if self._passed.n_rows < self._before.n_rows:
            self._is_another()

    def commit(self) -> None:
        """Have the store keep states and progress, in one transaction, if there is anything new."""
        note = self._progress.to_note()
        if note != self._store.note:
            self._sync()
            self._pool.flush(note)

    def _new(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows behind those that the last session has answered."""
        for row in rows:
            if self._passed.n_rows == self._before.n_rows:
                yield row
                continue
            self._passed = self._passed.read(row)
            if self._passed.n_rows == self._before.n_rows and self._passed.rows_check != self._before.rows_check:
                self._is_another()

    def _is_another(self) -> None:
        raise StreamRNNError(
            f"--resume: the input does not begin with the {self._before.n_rows} rows that the last run with this store has "
            "answered; give the same input, or leave --resume out"
        )

    def _answer(self, rows: list[Row], labels: list[str]) -> Iterator[bytes]:
        """The output of rows. Where it cannot be had of all, of the first half, until a single row is to blame."""
        n = len(rows)
        while rows:
            keys = list(dict.fromkeys(row.key for row in rows[:n]))
            try:
                outputs = self._outputs(rows[:n], keys)
            except (InputError, NonFiniteStateError) as error:
                self._undo(keys)
                if n == 1:
                    self._refuse(rows[0], str(error))
                    rows, labels, n = rows[1:], labels[1:], len(rows) - 1
                else:
                    n //= 2
                continue
            data = self._write_as.encode(outputs, labels[:n])
            yield data
            self._progress = self._progress.read(*rows[:n]).written(data)
            self.commit()
            rows, labels, n = rows[n:], labels[n:], len(rows) - n

    def _outputs(self, rows: list[Row], keys: list[str | int]) -> Array:
        """What the streams answer. Raises NonFiniteStateError where their type cannot hold it, InputError for a wrong index."""
        slot_of = dict(zip(keys, self._pool.open_keys(keys).tolist(), strict=True))
        slots = np.array([slot_of[row.key] for row in rows])
        x = np.array([row.values for row in rows], self._pool.model.dtype)
        y = np.empty((len(rows), self._pool.model.output_size), x.dtype)
        try:
            for tick in ticks(slots):
                y[tick] = self._pool.step(slots[tick], x[tick])
        except NonFiniteStateError:
            raise NonFiniteStateError(f"the state left the range of {y.dtype}; the step is undone; scale the input") from None
        if not np.isfinite(y).all():
            raise NonFiniteStateError(f"the output left the range of {y.dtype}; the step is undone; scale the input")
        return y

    def _undo(self, keys: list[str | int]) -> None:
        """Put the streams back to what the store has of them; those that it has not end."""
        saved = self._store.get(keys)
        self._pool.restore(self._pool.open_keys(list(saved)), list(saved.values()))
        self._pool.close_keys([key for key in keys if key not in saved])

    def _refuse(self, row: Row, error: str) -> None:
        self.n_refused += 1
        complain(f"error: {row.place}: {error}")
        if self._on_error is OnError.STOP:
            raise Refused
        self._progress = self._progress.read(row)


def ticks(slots: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Rows that can go together, each stream once, so that the rows of a stream go one after the other."""
    order = np.argsort(slots, kind="stable")
    begins = np.flatnonzero(np.diff(slots[order], prepend=-1))
    counts = np.diff(begins, append=len(slots))
    turns = np.empty(len(slots), np.int64)
    turns[order] = np.arange(len(slots)) - np.repeat(begins, counts)
    for turn in range(int(counts.max(initial=0))):
        yield np.flatnonzero(turns == turn)
