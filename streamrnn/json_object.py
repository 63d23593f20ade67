"""The object in JSON that somebody else may have written, in bounded memory."""

import json
from typing import Any

_MORE_BYTES = 48 << 20  # than three times the size of the text, which its values may take
_VALUE_BYTES, _TEXT_BYTES, _LIST_BYTES, _OBJECT_BYTES = 40, 120, 64, 240  # in Python, with what refers to it


def json_object(data: bytes) -> dict[str, Any]:
    """The object in a JSON text in UTF-8.

    Raises ValueError for anything else, for an object that has a name twice, and for far more values than a text of its size
    should have.
    """
    if _most_memory(data) > 3 * len(data) + _MORE_BYTES:
        raise ValueError("it has far more values than its size should hold")
    try:
        value = json.loads(data, object_pairs_hook=_without_duplicates)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError(f"it holds a JSON {type(value).__name__}, but an object is expected")
    return value


def _most_memory(data: bytes) -> int:
    """The most bytes that Python takes for a text and the values in it.

    A text that is not ASCII may have 4 bytes a character, and so may a value that is nearly all of it.
    """
    n_values, n_texts = data.count(b",") + data.count(b":"), data.count(b'"') // 2
    containers = data.count(b"[") * _LIST_BYTES + data.count(b"{") * _OBJECT_BYTES
    text = len(data) if data.isascii() else 8 * len(data)
    return text + n_values * _VALUE_BYTES + n_texts * _TEXT_BYTES + containers


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        left = dict.fromkeys(found)
        twice = next(name for name, _ in pairs if left.pop(name, ...) is ...)
        raise ValueError(f"it has the name {twice!r:.60} twice in one object, so its meaning is not clear")
    return found
