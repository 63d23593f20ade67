"""How far a run with a store has got: what the store keeps in the transaction that keeps the states, for `run --resume`."""

import json
import zlib
from array import array
from typing import NamedTuple, Self

from streamrnn.command.running.formats import Row
from streamrnn.errors import StreamRNNError


class Progress(NamedTuple):
    """Rows that have been answered or refused, and bytes of output that have been written, with a CRC-32 of each.

    The checks tell whether what is given to go on with is what the run began with.
    """

    n_rows: int = 0
    rows_check: int = 0
    n_bytes: int = 0
    bytes_check: int = 0

    def read(self, *rows: Row) -> Self:
        """So many rows further."""
        check = self.rows_check
        for row in rows:
            check = zlib.crc32(array("d", row.values).tobytes(), zlib.crc32(repr(row.key).encode(), check))
        return self._replace(n_rows=self.n_rows + len(rows), rows_check=check)

    def written(self, data: bytes) -> Self:
        """So many bytes further."""
        return self._replace(n_bytes=self.n_bytes + len(data), bytes_check=zlib.crc32(data, self.bytes_check))

    def to_note(self) -> str:
        """As a text."""
        return json.dumps({"run": self._asdict()})

    @classmethod
    def from_note(cls, note: str | None) -> Self:
        """From a text; of a store that has none, the beginning. Raises StreamRNNError for another text."""
        if note is None:
            return cls()
        try:
            return cls(**{name: int(value) for name, value in json.loads(note)["run"].items()})
        except (ValueError, LookupError, TypeError, AttributeError):
            raise StreamRNNError("--resume: the store was last used by something else than `streamrnn run`") from None
