"""Rows in blocks, each computed and written as a whole."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from streamrnn.command.running.formats import Format, Row
from streamrnn.errors import InputError
from streamrnn.target.packing import Array


class Block(NamedTuple):
    """Rows that can be used, and the labels of their output: the key and the kept columns, if there are any."""

    rows: list[Row]
    labels: list[str]

    def part(self, begin: int, end: int | None = None) -> "Block":
        """The rows from `begin` to before `end`."""
        return Block(self.rows[begin:end], self.labels[begin:end])

    def encoded(self, outputs: Array, target_format: Format, n_each: int = 1) -> bytes:
        """The outputs (n_rows, n_each O) of the rows, each as n_each rows of the output, with their labels."""
        outputs = outputs.reshape(len(outputs) * n_each, -1)
        labels = [label for label in self.labels for _ in range(n_each)]
        return target_format.encode(outputs, labels) if any(labels) else target_format.encode(outputs)


class BlockSize(NamedTuple):
    """What a block may have.

    row_bytes  the most bytes of an output row without its label
    max_bytes  the most bytes of the output of several rows
    max_rows   the most rows
    """

    row_bytes: int
    max_bytes: int
    max_rows: int


def labelled(row: Row, target_format: Format) -> tuple[Row, str]:
    """A row and its label; the row has an error if the format cannot contain the label."""
    fields = [field for field in (row.key,) if field != ""] + list(row.kept)
    if row.error or not fields or target_format.label is None:
        return row, ""
    try:
        return row, target_format.label(*fields)
    except InputError as error:
        return row._replace(error=str(error)), ""


def blocks_of(rows: Iterable[Row], target_format: Format, size: BlockSize) -> Iterator[Block | Row]:
    """The rows in blocks as large as they may be, and each bad row between the blocks of those before and after it."""
    block, bytes_left = Block([], []), size.max_bytes
    for row in rows:
        row, label = labelled(row, target_format)
        n_bytes = size.row_bytes + (len(label.encode()) + len(", ") if label else 0)
        bytes_left -= n_bytes
        if row.error or (block.rows and bytes_left < 0) or len(block.rows) == size.max_rows:
            if block.rows:
                yield block
            block, bytes_left = Block([], []), size.max_bytes - n_bytes
        if row.error:
            yield row
            bytes_left = size.max_bytes
        else:
            block.rows.append(row)
            block.labels.append(label)
    if block.rows:
        yield block


def overflowed(outputs: Array, target_format: Format) -> str:
    """The dtype whose range some output leaves: that of the outputs, or of the format; "": all are in range."""
    dtype = target_format.dtype or str(outputs.dtype)
    return "" if (np.abs(outputs) <= float(np.finfo(dtype).max)).all() else dtype
