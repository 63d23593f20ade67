"""The point from which `run --resume` goes on. The store keeps it in the transaction that keeps the states."""

import json
import zlib
from array import array
from typing import NamedTuple, Self

from streamrnn.command.running.formats import Row
from streamrnn.errors import StreamRNNError


class ResumePoint(NamedTuple):
    """The number of rows that were answered or skipped and of bytes that were written, with the CRC-32 of each.

    The checks show whether input and output of a resumed run are those of the first one.
    """

    n_rows: int = 0
    rows_check: int = 0
    n_bytes: int = 0
    bytes_check: int = 0

    def after_rows(self, *rows: Row) -> Self:
        """The point after these rows."""
        check = self.rows_check
        for row in rows:
            label = repr((row.key, row.kept) if row.kept else row.key)
            check = zlib.crc32(array("d", row.values).tobytes(), zlib.crc32(label.encode(), check))
        return self._replace(n_rows=self.n_rows + len(rows), rows_check=check)

    def after_output(self, data: bytes) -> Self:
        """The point after this output."""
        return self._replace(n_bytes=self.n_bytes + len(data), bytes_check=zlib.crc32(data, self.bytes_check))

    def to_note(self) -> str:
        """As text, for the note of a store."""
        return json.dumps({"run": self._asdict()})

    @classmethod
    def from_note(cls, note: str | None) -> Self:
        """From the note of a store; the beginning if it has none. Raises StreamRNNError for a note of another program."""
        if note is None:
            return cls()
        try:
            return cls(**{name: int(value) for name, value in json.loads(note)["run"].items()})
        except (ValueError, LookupError, TypeError, AttributeError):
            raise StreamRNNError(
                "--resume: the store was last used by something else than `streamrnn run`; leave out --resume, or give the "
                "store of the run that stopped"
            ) from None
