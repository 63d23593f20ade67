"""The keys of a state store."""

from collections.abc import Collection

from streamrnn.boundary import refusing
from streamrnn.errors import InputError

Key = str | int | bytes


def check_key_types(keys: Collection[object]) -> None:
    """Raise InputError unless all keys are of a type that a store accepts."""
    with refusing(InputError, "the keys cannot be read"):
        for kind in set(map(type, keys)) - {str, int, bytes}:
            example = next(key for key in keys if type(key) is kind)
            raise InputError(f"a key is {example!r}, of type {kind.__name__}; a store takes str, int and bytes")


def check_keys(keys: Collection[Key]) -> None:
    """Raise InputError unless a store can hold all keys."""
    check_key_types(keys)
    for key in keys:
        if isinstance(key, int) and not -(1 << 63) <= key < 1 << 63:
            raise InputError(f"a key is {key}, which has more than 64 bits; give it as a str")
        if isinstance(key, str) and not key.isascii():
            try:
                key.encode()
            except UnicodeEncodeError:
                raise InputError(f"a key is {key!r}, which UTF-8 cannot encode; give it as bytes") from None
