"""jsonl: a JSON array of numbers on each line. A single number also works if the model takes one value.

With a key column, a line is an array with the key as one member, or an object with the key as one member. The other members
of the object are one array of numbers, or a number each, in the order of the first object.
"""

import json
from collections.abc import Sequence
from typing import Any

from streamrnn.command.running.formats.columns import Columns, index_of
from streamrnn.command.running.formats.lines import LineReader, quoted
from streamrnn.errors import InputError
from streamrnn.target.packing import Array


class JsonlReader(LineReader):
    """Rows from lines such as `[0.1, -2e-3]`, or with a key `["sensor 7", 0.1, -2e-3]` or `{"id": 7, "x": [0.1, -2e-3]}`.

    columns  which column is what: by number in an array, by name in an object
    """

    def __init__(self, size: int, columns: Columns = Columns()) -> None:  # noqa: B008 - it is immutable
        super().__init__(size)
        self._column = columns.key
        self._names: list[str] | None = None

    def _parse(self, line: bytes) -> tuple[str | int, Sequence[float]]:
        try:
            value = json.loads(line.decode(), object_pairs_hook=_object)  # of bytes it would guess the encoding
        except InputError:
            raise
        except UnicodeDecodeError:
            raise InputError(f"{quoted(line)} is not UTF-8; convert the input to UTF-8") from None
        except (ValueError, RecursionError):
            raise InputError(f"{quoted(line)} is not JSON") from None
        key: str | int = ""
        if self._column:
            key, value = self._split(line, value)
        values = [value] if _is_number(value) and self._size == 1 else value
        if not isinstance(values, list):
            raise InputError(f"{quoted(line)} is not an array of {self._size} numbers")
        for index, item in enumerate(values, 1):
            if not _is_number(item):
                raise InputError(f"value {index} is {quoted(json.dumps(item).encode())}, which is not a number")
        return key, values

    def _split(self, line: bytes, value: Any) -> tuple[str | int, Any]:
        """The key of a line, and the rest of the line."""
        index: Any = self._column
        if isinstance(value, list):
            number = index_of(index)
            index = len(value) if number is None else number
        try:
            key = value.pop(index)
        except (AttributeError, KeyError, IndexError):
            raise InputError(f"{quoted(line)} has no {self._column!r}, which should be its key") from None
        if isinstance(key, bool) or not isinstance(key, str | int) or key == "":
            raise InputError(
                f"the key is {quoted(json.dumps(key).encode())}; it must be a text that is not empty, or a whole number"
            )
        if isinstance(key, int) and not -(1 << 63) <= key < 1 << 63:
            raise InputError(f"the key is {str(key)[:40]}, which has more than 64 bits; give it as a text")
        if isinstance(key, str) and key != key.encode("utf-8", "replace").decode():
            raise InputError(f"the key is {key[:40]!a}, which UTF-8 cannot represent; remove the unpaired surrogate")
        return key, self._members(value) if isinstance(value, dict) else value

    def _members(self, value: dict[str, Any]) -> Any:
        if len(value) == 1 and isinstance(next(iter(value.values())), list):
            return next(iter(value.values()))
        if self._names is None:
            self._names = list(value)
        if different := set(self._names) ^ value.keys():
            raise InputError(f"{min(different)!r:.40} is not in every line; each object must have the members of the first")
        return [value[name] for name in self._names]


def encode(outputs: Array, labels: Sequence[str] = ()) -> bytes:
    """Outputs (n_steps, O) as arrays, each with its label first. A number is the shortest text that reads as the same."""
    rows = (", ".join(map(str, row)) for row in outputs)
    if labels:
        rows = (f"{label}, {row}" for label, row in zip(labels, rows, strict=True))
    return "".join(f"[{row}]\n" for row in rows).encode()


def label(key: str | int) -> str:
    """A key as a member of an array."""
    return json.dumps(key, ensure_ascii=False)


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """The members of an object by name. Raises InputError if two have the same name: the first would be lost."""
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        repeated = next(name for name in found if names.count(name) > 1)
        raise InputError(f"member {repeated!r:.40} occurs {names.count(repeated)} times; give each member a name of its own")
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
