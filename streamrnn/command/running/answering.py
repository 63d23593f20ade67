"""The loop of `run`: whatever has arrived is answered, until something ends it."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from streamrnn.command import exit_codes
from streamrnn.command.running.file_descriptors import Descriptor, chunks, write
from streamrnn.command.running.formats import Reader, Row, rows_as_they_arrive
from streamrnn.command.running.session import Refused
from streamrnn.command.signals import Interrupted, Interruption, OutputClosed


def answer(
    reader: Reader,
    answers: Callable[[Iterable[Row]], Iterator[bytes]],
    incoming: Descriptor,
    outgoing: Descriptor,
    interruption: Interruption,
    *,
    whole: bool = False,
) -> int:
    """Answer all that comes in, until something ends it; the exit code says what.

    answers  the output of rows, block by block; asked for the next block once one has been written
    whole    whether it is given all rows at once, up to the end of the input
    """
    try:
        arriving = rows_as_they_arrive(reader, chunks(incoming, interruption))
        for rows in [chain.from_iterable(arriving)] if whole else arriving:
            for data in answers(rows):
                write(outgoing, data, interruption)
    except Refused:
        return exit_codes.FAILED
    except OutputClosed:
        return exit_codes.DONE
    except Interrupted as interrupted:
        return exit_codes.INTERRUPTED + interrupted.signal
    return exit_codes.DONE
