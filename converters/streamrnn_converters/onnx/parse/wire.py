"""A check of the bytes of an ONNX file before protobuf reads it: how much memory it would take, and how deep it is nested.

Protobuf can make hundreds of bytes out of two (an empty message), and thirty out of one (a small integer). A model that
streams, with its weights as raw data, stays far below the limits.
"""

from typing import Any

import onnx

from streamrnn.errors import ConversionError

MOST_BYTES = 1 << 30  # of a file
_MOST_GROWTH = 40 << 20  # bytes that are made of fields and small integers, beside what the file itself takes
_DEEPEST = 24  # messages within messages: a graph needs 7; those within graphs are not understood

_PER_FIELD, _PER_BYTE_OF_INT64, _PER_BYTE_OF_INT32 = 300, 28, 12  # measured
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_TRUNCATED = "not an ONNX model, or a truncated one"


def check_wire(data: bytes) -> None:
    """Raise ConversionError for bytes that are no protobuf message, or that would take too much memory. Allocates nothing."""
    check_size(len(data), "the file")
    stack = [(len(data), _fields(onnx.ModelProto.DESCRIPTOR))]
    position, growth = 0, 0
    while stack:
        end, fields = stack[-1]
        if position == end:
            stack.pop()
            continue
        tag, position = _varint(data, position, end)
        growth += _PER_FIELD
        kind = tag & 7
        if not tag >> 3:
            raise ConversionError(f"{_TRUNCATED} (it has a field of number 0)")
        if kind == _VARINT:
            _, position = _varint(data, position, end)
        elif kind == _LENGTH:
            size, position = _varint(data, position, end)
            if size > end - position:
                raise ConversionError(f"{_TRUNCATED} (it ends within a field)")
            inside = fields.get(tag >> 3)
            if isinstance(inside, dict):
                stack.append((position + size, inside))
                if len(stack) > _DEEPEST:
                    raise ConversionError(f"its messages are nested more than {_DEEPEST} deep, which no streaming model needs")
            else:
                growth += size * (inside or 0)
                position += size
        elif kind in (_FIXED32, _FIXED64):
            position += 4 if kind == _FIXED32 else 8
            if position > end:
                raise ConversionError(f"{_TRUNCATED} (it ends within a number)")
        else:
            raise ConversionError(f"{_TRUNCATED} (wire type {kind})")
        if growth > _MOST_GROWTH:
            raise ConversionError(
                "it has more parts, or more integers instead of raw data, than can be read safely; export the model "
                "alone, with its weights as raw data"
            )


def check_size(n_bytes: int, what: str) -> None:
    """Raise ConversionError where there are too many to be read."""
    if n_bytes > MOST_BYTES:
        raise ConversionError(f"{what} has {n_bytes} bytes; more than {MOST_BYTES} are not read")


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """A number, and the position after it."""
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise ConversionError(f"{_TRUNCATED} (it ends within a number)")


#: By the name of a message and the number of a field that holds a message, the fields of that; of other fields, how many bytes
#: are made of one, beside that itself. Messages hold each other, so that some are named before all of their fields are there.
_FIELDS: dict[str, dict[int, Any]] = {}


def _fields(message: Any) -> dict[int, Any]:
    if message.full_name not in _FIELDS:
        fields = _FIELDS[message.full_name] = {}
        for field in message.fields:
            if field.message_type is not None:
                fields[field.number] = _fields(field.message_type)
            elif field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
                fields[field.number] = _PER_BYTE_OF_INT64
            elif field.cpp_type not in (field.CPPTYPE_STRING, field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
                fields[field.number] = _PER_BYTE_OF_INT32
    return _FIELDS[message.full_name]
