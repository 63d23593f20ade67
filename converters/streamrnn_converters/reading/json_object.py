"""The object in a JSON file that another program has written."""

from typing import Any

from streamrnn.errors import ConversionError
from streamrnn.json_object import json_object

_MOST_BYTES = 1 << 26


def read_json(data: bytes) -> dict[str, Any]:
    """The JSON object in the bytes of a file. Raises ConversionError where there is none, or it is not read."""
    if len(data) > _MOST_BYTES:
        raise ConversionError(f"has {len(data)} bytes of JSON; more than {_MOST_BYTES} are not read")
    try:
        return json_object(data)
    except ValueError as error:
        raise ConversionError(f"not a whole JSON file ({error}); save or copy it again") from None
