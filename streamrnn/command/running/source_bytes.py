"""The bytes of an input, expanded, for the reader of its format."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from streamrnn.command.progress_bar import progress_bar
from streamrnn.command.running.content import plain_content
from streamrnn.command.running.file_descriptors import OpenFile, is_regular, read_chunks, size_of
from streamrnn.command.running.formats import FORMATS, Format, FormatName, wav
from streamrnn.command.waits import InterruptibleWaits
from streamrnn.errors import InputError


@contextmanager
def source_bytes(
    source: OpenFile, source_format: Format, size: int, waits: InterruptibleWaits
) -> Iterator[tuple[Iterator[bytes], int]]:
    """The bytes of the input for the reader of its format, and frames per second of a wav, else 0."""
    if source_format is not FORMATS[FormatName.WAV]:
        yield plain_content(read_chunks(source, waits), source.name, text=source_format.label is not None), 0
        return
    if not is_regular(source):
        raise InputError(f"{source.name}: a wav can be read from a file only, not from a pipe; name the file")
    with wav.opened(source.descriptor, source.name, size) as recording:
        yield recording.frames(waits.wait_for_input), recording.rate


@contextmanager
def reading_shown(chunks: Iterator[bytes], source: OpenFile, target: OpenFile | None = None) -> Iterator[Iterator[bytes]]:
    """The chunks of a source. A terminal shows how much of a file has been read, if the output does not go to the terminal."""
    if not is_regular(source) or (target is not None and os.isatty(target.descriptor)):
        yield chunks
        return
    n_bytes = size_of(source)
    with progress_bar("reading: bytes", show_count=True) as advance:

        def told() -> Iterator[bytes]:
            for chunk in chunks:
                advance(min(os.lseek(source.descriptor, 0, os.SEEK_CUR), n_bytes), n_bytes)
                yield chunk

        yield told()
