"""The loop of `run`: read what has arrived, compute, write, until something ends it."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from streamrnn.command import exit_codes
from streamrnn.command.running.file_descriptors import OpenFile, begin, write_all
from streamrnn.command.running.formats import Reader, Row, rows_as_they_arrive
from streamrnn.command.running.row_errors import Stopped
from streamrnn.command.signals import Interrupted
from streamrnn.command.waits import InterruptibleWaits, OutputClosed


def run_io_loop(
    reader: Reader,
    outputs: Callable[[Iterable[Row]], Iterator[bytes]],
    chunks: Iterable[bytes],
    target: OpenFile,
    waits: InterruptibleWaits,
    *,
    head: bytes = b"",
    read_all: bool = False,
) -> int:
    """Write an output for each row of the input; the exit code. Until the first output the target stays as it is.

    chunks    the bytes of the input, as they arrive
    outputs   makes blocks of bytes from rows; each block is written before the next is asked for
    head      is written before the first output, or at the end of an input without any
    read_all  give it all rows in one call, which ends with the input, and not the rows of each read
    """

    def write(data: bytes) -> None:
        if not target.has_begun:
            begin(target)
            data = head + data
        if data:
            write_all(target, data, waits)

    try:
        arriving = rows_as_they_arrive(reader, chunks)
        for rows in [chain.from_iterable(arriving)] if read_all else arriving:
            for data in outputs(rows):
                write(data)
        write(b"")
    except Stopped:
        return exit_codes.FAILED
    except OutputClosed:
        return exit_codes.DONE
    except Interrupted as interrupted:
        return exit_codes.INTERRUPTED + interrupted.signal
    return exit_codes.DONE
