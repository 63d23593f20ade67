"""The rows of many signals to outputs, and in a store the states that belong to the outputs that have been written."""

from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from streamrnn.command.running.blocks import Block, BlockSize, blocks_of
from streamrnn.command.running.formats import Format, Row, max_row_bytes
from streamrnn.command.running.resume_point import ResumePoint
from streamrnn.command.running.row_errors import RowErrors
from streamrnn.errors import InputError, NonFiniteStateError, StreamRNNError
from streamrnn.pool import StreamPool
from streamrnn.states.store import StateStore
from streamrnn.target.packing import Array

#: The most rows of a block. A pool must have room for as many streams.
MAX_ROWS = 4096


class KeyedSession:
    """Steps the streams of many keys through rows, in blocks that count as a whole or not at all.

    pool           processes the signals; before each block its states are those of the store
    store          keeps the states
    errors         is told of rows that cannot be used
    target_format  of the output
    max_bytes      the most bytes of the output of a block of several rows
    start          the point where the last session stopped; rows before it are not processed again
    sync           makes what was written survive a power failure
    """

    def __init__(
        self,
        pool: StreamPool,
        store: StateStore,
        errors: RowErrors,
        target_format: Format,
        max_bytes: int,
        start: ResumePoint,
        sync: Callable[[], None],
    ) -> None:
        self._pool, self._store, self._errors, self._format, self._sync = pool, store, errors, target_format, sync
        self._size = BlockSize(max_row_bytes(pool.model), max_bytes, MAX_ROWS)
        self._start = self._point = start
        self._passed_over = ResumePoint()
        self.commit()

    def outputs(self, rows: Iterable[Row]) -> Iterator[bytes]:
        """The output of rows, block by block.

        A block counts, and its states are committed, when the next one is asked for; a caller that fails to write it must
        stop. A bad row is reported after the output of the rows before it, and leaves the states as they were. Raises Stopped
        as the `errors` do, and StreamRNNError if the input is not that of the last session.
        """
        for block in blocks_of(self._new(rows), self._format, self._size):
            if isinstance(block, Row):
                self._report(block, block.error)
            else:
                yield from self._process(block)
        self.commit()

    def finish(self) -> None:
        """Raise StreamRNNError if the input has fewer rows than the last session answered."""
        if self._passed_over.n_rows < self._start.n_rows:
            self._raise_other_input()

    def commit(self) -> None:
        """Write the states and the resume point to the store in one transaction, if something is new."""
        note = self._point.to_note()
        if note != self._store.note:
            self._sync()
            self._pool.flush(note)

    def _new(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows after those that the last session answered."""
        for row in rows:
            if self._passed_over.n_rows == self._start.n_rows:
                yield row
                continue
            self._passed_over = self._passed_over.after_rows(row)
            if self._passed_over.n_rows == self._start.n_rows and self._passed_over.rows_check != self._start.rows_check:
                self._raise_other_input()

    def _raise_other_input(self) -> NoReturn:
        n_rows = f"{self._start.n_rows} row{'s' * (self._start.n_rows > 1)}"
        raise StreamRNNError(
            f"--resume: the input does not begin with the {n_rows} that the last run with this store "
            "answered; give the same input, or leave out --resume"
        )

    def _process(self, block: Block) -> Iterator[bytes]:
        """The output of a block. If it fails, it is halved until a single row is found to be the cause."""
        n = len(block.rows)
        while block.rows:
            part = block.part(0, n)
            keys = list(dict.fromkeys(row.key for row in part.rows))
            try:
                outputs = self._compute(part.rows, keys)
            except (InputError, NonFiniteStateError) as error:
                self._undo(keys)
                if n > 1:
                    n //= 2
                    continue
                self._report(part.rows[0], str(error))
            else:
                data = part.encoded(outputs, self._format)
                yield data
                self._point = self._point.after_rows(*part.rows).after_output(data)
                self.commit()
            block = block.part(n)
            n = len(block.rows)

    def _compute(self, rows: list[Row], keys: list[str | int]) -> Array:
        """The outputs (n_rows, O). Raises NonFiniteStateError if one overflows, InputError for an index out of range."""
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
        """Set the streams back to their states in the store; close those that it does not have."""
        saved = self._store.get(keys)
        self._pool.restore(self._pool.open_keys(list(saved)), list(saved.values()))
        self._pool.close_keys([key for key in keys if key not in saved])

    def _report(self, row: Row, error: str) -> None:
        """Report a bad row; if the run goes on, it counts as answered."""
        self._errors.report(row, error)
        self._point = self._point.after_rows(row)


def ticks(slots: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The rows of each pool step: at most one row of each slot, and the rows of a slot in their order.

    slots  (n_rows,) the slot of each row
    """
    order = np.argsort(slots, kind="stable")
    begins = np.flatnonzero(np.diff(slots[order], prepend=-1))
    counts = np.diff(begins, append=len(slots))
    tick_of = np.empty(len(slots), np.int64)
    tick_of[order] = np.arange(len(slots)) - np.repeat(begins, counts)
    for tick in range(int(counts.max(initial=0))):
        yield np.flatnonzero(tick_of == tick)
