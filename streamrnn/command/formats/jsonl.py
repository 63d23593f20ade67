"""jsonl: a JSON array of numbers on each line; where the model takes one value, the number alone will do."""

import json
from collections.abc import Sequence

from streamrnn.command.formats.lines import LineReader, quoted
from streamrnn.errors import InputError
from streamrnn.packing import Array


class JsonlReader(LineReader):
    """Rows from lines such as `[0.1, -2e-3]`."""

    def _parse(self, line: bytes) -> Sequence[float]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(f"{quoted(line)} is not JSON") from None
        values = [value] if _is_number(value) and self._size == 1 else value
        if not isinstance(values, list):
            raise InputError(f"{quoted(line)} is not an array of {self._size} numbers")
        for index, item in enumerate(values, 1):
            if not _is_number(item):
                raise InputError(f"value {index} is {quoted(json.dumps(item).encode())}, which is not a number")
        return values


def encode(outputs: Array) -> bytes:
    """(n_steps, O) as arrays; each number the shortest text that gives the same number back."""
    return "".join(f"[{', '.join(map(str, row))}]\n" for row in outputs).encode()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
