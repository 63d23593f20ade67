"""jsonl: a JSON array of numbers on each line. A single number also works if the model takes one value.

With a key column, a line is an array with the key as one member, or an object with the key as one member. The other members
of the object are one array of numbers, or a number each, in the order of the first object.
"""

import json
from collections.abc import Sequence
from typing import Any

from streamrnn.command.running.formats.columns import Columns, index_of
from streamrnn.command.running.formats.lines import LineReader, quoted
from streamrnn.command.running.formats.row import Scalar
from streamrnn.errors import InputError
from streamrnn.target.packing import Array


class JsonlReader(LineReader):
    """Rows from lines such as `[0.1, -2e-3]`, or with a key `["sensor 7", 0.1, -2e-3]` or `{"id": 7, "x": [0.1, -2e-3]}`.

    columns  which column is what: by number in an array, by name in an object
    """

    def __init__(self, size: int, columns: Columns = Columns()) -> None:  # noqa: B008 - it is immutable
        super().__init__(size)
        self._columns = columns
        self._names: list[str] | None = None

    def _parse(self, line: bytes) -> tuple[str | int, Sequence[float], tuple[Scalar, ...]]:
        try:
            value = json.loads(line.decode(), object_pairs_hook=_object)  # of bytes it would guess the encoding
        except InputError:
            raise
        except UnicodeDecodeError:
            raise InputError(f"{quoted(line)} is not UTF-8; convert the input to UTF-8") from None
        except (ValueError, RecursionError):
            raise InputError(f"{quoted(line)} is not JSON") from None
        key: str | int = ""
        kept: tuple[Scalar, ...] = ()
        if self._columns.all:
            key, value, kept = self._split(line, value)
        values = [value] if _is_number(value) and self._size == 1 else value
        if not isinstance(values, list):
            hint = "; name those of its members that the model takes with --columns" if isinstance(values, dict) else ""
            raise InputError(f"{quoted(line)} is not an array of {self._size} numbers{hint}")
        for index, item in enumerate(values, 1):
            if not _is_number(item):
                raise InputError(f"value {index} is {quoted(json.dumps(item).encode())}, which is not a number")
        return key, values, kept

    def _split(self, line: bytes, value: Any) -> tuple[str | int, Any, tuple[Scalar, ...]]:
        """The key of a line, its values, and what is kept."""
        members = dict(enumerate(value)) if isinstance(value, list) else value
        if not isinstance(members, dict):
            raise InputError(f"{quoted(line)} has no {self._columns.all[0]!r}: it is neither an array nor an object")

        def member(column: str, what: str) -> Any:
            found = index_of(column) if isinstance(value, list) else column
            if found not in members:
                raise InputError(f"{quoted(line)} has no {column!r}, which should be {what}")
            taken.add(found)
            return members[found]

        taken: set[Any] = set()
        key = _key(member(self._columns.key, "its key")) if self._columns.key else ""
        kept = tuple(_scalar(column, member(column, "kept")) for column in self._columns.kept)
        if self._columns.values:
            chosen = [member(column, "an input value") for column in self._columns.values]
            return key, chosen[0] if len(chosen) == 1 and isinstance(chosen[0], list) else chosen, kept
        rest = {name: item for name, item in members.items() if name not in taken}
        return key, list(rest.values()) if isinstance(value, list) else self._members(rest), kept

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


def label(*fields: Scalar) -> str:
    """A key and kept fields, as the first members of an array."""
    return ", ".join(json.dumps(field, ensure_ascii=False) for field in fields)


def _key(value: Any) -> str | int:
    """A value as a key. Raises InputError for one that is no text and no whole number."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise InputError(
            f"the key is {quoted(json.dumps(value).encode())}; it must be a text that is not empty, or a whole number"
        )
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise InputError(f"the key is {str(value)[:40]}, which has more than 64 bits; give it as a text")
    if isinstance(value, str):
        _check_unicode("the key", value)
    return value


def _scalar(column: str, value: Any) -> Scalar:
    """A value to keep. Raises InputError for an array or an object."""
    if isinstance(value, list | dict):
        raise InputError(f"{column!r} is {quoted(json.dumps(value).encode())}; only a text or a number can be kept")
    if isinstance(value, str):
        _check_unicode(f"{column!r}", value)
    return value  # type: ignore[no-any-return]


def _check_unicode(what: str, text: str) -> None:
    if text != text.encode("utf-8", "replace").decode():
        raise InputError(f"{what} is {text[:40]!a}, which UTF-8 cannot represent; remove the unpaired surrogate")


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
