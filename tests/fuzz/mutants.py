"""Good files gone wrong: what an exporter with a bug might write, what a disk might do to it, and what somebody might try.

A mutant is known by its number alone. Most changes are made to the messages, so that what comes of them is still a file that
protobuf reads, and the changed part is reached; some are made to the bytes.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx

import streamrnn_converters.onnx.read  # noqa: F401 - fills the table of operators
from streamrnn_converters.onnx import importer
from tests.converters.onnx.cell_graphs import keras_graph
from tests.converters.onnx.loop_graphs import looped, scanned
from tests.converters.onnx.onnx_graphs import random_node, recurrent_model
from tests.converters.onnx.operators.test_within_step import CASES
from tests.converters.onnx.operators.test_within_step import graph as frame_graph
from tests.converters.onnx.rewrite.test_branches import scaled
from tests.converters.onnx.sketch import Sketch
from tests.fuzz.damage import damaged
from tests.fuzz.format_mutants import format_mutant

Rng = np.random.Generator
Message = Any

_FIXTURES = Path(__file__).parents[1] / "converters" / "fixtures"
_INTEGERS = [
    0,
    1,
    -1,
    2,
    3,
    4,
    5,
    7,
    8,
    10,
    11,
    16,
    64,
    127,
    128,
    255,
    65536,
    2**31 - 1,
    -(2**31),
    2**31,
    2**40,
    2**62,
    2**63 - 1,
]
_FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-3, 100.0, 3e38, float("inf"), -float("inf"), float("nan")]


@cache
def corpus() -> list[bytes]:
    """The good files: what exporters have written, nodes with every input and attribute, loops, choices, work within a step."""
    folders = "exports", "exporters", "custom_cells", "quantized", "time_maps"
    files = [path.read_bytes() for folder in folders for path in sorted((_FIXTURES / folder).glob("*.onnx"))]
    rng = np.random.default_rng(0)
    for op in ("LSTM", "GRU", "RNN"):
        for layout in (0, 1):
            for opset in (7, 14, 22):
                if layout == 0 or opset >= 14:
                    options: dict[str, Any] = {"layout": 1} if layout else {}
                    nodes = [random_node(rng, op, 3, 4, **options), random_node(rng, op, 4, 4, **options)]
                    files.append(recurrent_model(nodes[:1] if opset < 22 else nodes, opset=opset).SerializeToString())
        for direction in ("reverse", "bidirectional"):
            node = random_node(rng, op, 3, 4, batch=2, direction=direction).but(sequence_lens=np.array([5, 3], np.int32))
            files.append(recurrent_model(node, batch=2).SerializeToString())
    loops = [scanned(), looped("lstm"), looped("gru", how="counted"), looped("rnn", how="sliced")]
    keras = [keras_graph(kind, zeros="Expand") for kind in ("lstm", "gru-reset-before")]
    return [*files, *loops, *keras, _with_a_choice(), *(frame_graph(case)[0] for case in CASES.values())]


def _with_a_choice() -> bytes:
    """A GRU after 2 x or -x, by a size of x."""
    g = Sketch(open_axes="")
    wide = g.add("Equal", g.add("Gather", g.add("Shape", "x"), np.int64(1)), np.int64(2))
    bodies = {"then_branch": scaled(g, "then", 2.0, "x"), "else_branch": scaled(g, "else", -1.0, "x")}
    return g.bytes(g.squeezed(g.rnn(g.add("If", wide, **bodies))[0], 1))


def mutant(number: int) -> tuple[str, bytes]:
    """The mutant of a number: the extension of the file, and its bytes. Every fourth is a file of another format than ONNX."""
    rng = np.random.default_rng(number)
    return format_mutant(rng) if number % 4 == 3 else (".onnx", _graph_mutant(rng))


def _graph_mutant(rng: Rng) -> bytes:
    model = onnx.load_model_from_string(_pick(rng, corpus()))
    for _ in range(rng.integers(1, 4)):
        with suppress(ValueError, TypeError):  # what protobuf does not let in, which is little
            _pick(rng, CHANGES)(rng, model)
    data = model.SerializeToString()
    return damaged(rng, data) if rng.random() < 0.1 else data


def _pick(rng: Rng, choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def _messages(message: Message) -> Iterator[Message]:
    """A message and all within it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inside in value if hasattr(value, "add") else [value]:
                yield from _messages(inside)


def _any_of(rng: Rng, model: Message, *kinds: str) -> Message:
    """Some message of one of some kinds, or of any kind; of the kind first, so that the rare ones have their turn."""
    found = [message for message in _messages(model) if not kinds or type(message).__name__ in kinds]
    present = sorted({type(message).__name__ for message in found})
    if not present:
        return model.graph
    kind = _pick(rng, present)
    return _pick(rng, [message for message in found if type(message).__name__ == kind])


def _repeated(rng: Rng, message: Message) -> Any:
    """Some list of a message that is not empty; None where it has none."""
    lists = [value for field, value in message.ListFields() if hasattr(value, "extend")]
    return _pick(rng, lists) if lists else None


def _drop(rng: Rng, model: Message) -> None:
    """An entry of a list: a node, an input, an attribute, an axis …"""
    entries = _repeated(rng, _any_of(rng, model))
    if entries is not None:
        del entries[int(rng.integers(len(entries)))]


def _duplicate(rng: Rng, model: Message) -> None:
    entries = _repeated(rng, _any_of(rng, model))
    if entries is not None:
        entries.extend([_pick(rng, entries)])


def _swap(rng: Rng, model: Message) -> None:
    """Two entries of a list."""
    entries = _repeated(rng, _any_of(rng, model))
    if entries is not None:
        _set(entries, [entries[k] for k in rng.permutation(len(entries))])


def _set(entries: Any, values: list[Any]) -> None:
    copies = [type(value).FromString(value.SerializeToString()) if hasattr(value, "ListFields") else value for value in values]
    del entries[:]
    entries.extend(copies)


def _clear(rng: Rng, model: Message) -> None:
    """A field."""
    message = _any_of(rng, model)
    fields = [field.name for field, _ in message.ListFields()]
    if fields:
        message.ClearField(_pick(rng, fields))


def _exchange(rng: Rng, model: Message) -> None:
    """A message for another of its kind: a node for a node, a tensor for a tensor."""
    one = _any_of(rng, model, "NodeProto", "AttributeProto", "TensorProto", "ValueInfoProto", "TypeProto", "Dimension")
    others = [message for message in _messages(model) if type(message) is type(one)]
    other = _pick(rng, others).SerializeToString()
    name = one.name if hasattr(one, "name") and rng.random() < 0.7 else None
    one.ParseFromString(other)
    if name is not None:
        one.name = name


def _rename(rng: Rng, model: Message) -> None:
    """A name for another one that the file has, or for none."""
    names = [text for message in _messages(model) for text in _texts(message)]
    new = _pick(rng, [*names, "", "x", "Squeeze", "LSTM"]) if names else ""
    message = _any_of(rng, model, "NodeProto", "AttributeProto", "TensorProto", "ValueInfoProto", "Dimension")
    fields = [field for field, value in message.ListFields() if field.cpp_type == field.CPPTYPE_STRING and _is_text(value)]
    if not fields:
        return
    field = _pick(rng, fields)
    value = getattr(message, field.name)
    if isinstance(value, str):
        setattr(message, field.name, new)
    else:
        value[int(rng.integers(len(value)))] = new


def _texts(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.cpp_type == field.CPPTYPE_STRING and _is_text(value):
            yield from [value] if isinstance(value, str) else value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (hasattr(value, "extend") and len(value) > 0 and isinstance(value[0], str))


def _renumber(rng: Rng, model: Message) -> None:
    """A number: a size, an axis, a type, a version, an attribute."""
    message = _any_of(rng, model)
    kinds = range(1, 7)  # protobuf's C++ types of numbers, without those that have names
    fields = [field for field, _ in message.ListFields() if field.cpp_type in kinds]
    if not fields:
        return
    field = _pick(rng, fields)
    value = getattr(message, field.name)
    real = field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE)
    if hasattr(value, "extend"):
        place = int(rng.integers(len(value)))
        value[place] = _number(rng, value[place], real)
    else:
        setattr(message, field.name, _number(rng, value, real))


def _number(rng: Rng, old: Any, real: bool) -> Any:
    if rng.random() < 0.4:
        return old + int(_pick(rng, [-2, -1, 1, 2]))
    return float(_pick(rng, _FLOATS)) if real else int(_pick(rng, _INTEGERS))


def _reshape(rng: Rng, model: Message) -> None:
    """The declared shape of a tensor, its data left as they are, or cut, or made longer."""
    tensor = _any_of(rng, model, "TensorProto")
    if not hasattr(tensor, "dims"):
        return
    dims = [int(size) for size in tensor.dims]
    change = rng.integers(4)
    if change == 0:
        dims = [int(size) for size in rng.permutation(dims)]
    elif change == 1:
        dims.insert(int(rng.integers(len(dims) + 1)), int(_pick(rng, [0, 1, 1, 2])))
    elif change == 2 and dims:
        dims[int(rng.integers(len(dims)))] = int(_pick(rng, _INTEGERS))
    else:
        raw = tensor.raw_data
        tensor.raw_data = raw[: int(rng.integers(len(raw) + 1))] if rng.random() < 0.5 else raw + raw[:4]
    _set(tensor.dims, dims)


def _resized(rng: Rng, model: Message) -> None:
    """A tensor of another size, its data as long as that takes."""
    tensor = _any_of(rng, model, "TensorProto")
    if not hasattr(tensor, "dims") or tensor.data_type not in (1, 6, 7, 11):
        return
    dims = [int(_pick(rng, [0, 1, 2, 3, 4, 5, 12, 16, size])) for size in tensor.dims]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    values = rng.normal(size=dims).astype(dtype) if dtype.kind == "f" else rng.integers(-2, 6, dims).astype(dtype)
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.asarray(values), tensor.name))


def _revalue(rng: Rng, model: Message) -> None:
    """The numbers of a tensor."""
    tensor = _any_of(rng, model, "TensorProto")
    if not hasattr(tensor, "dims") or tensor.data_type not in (1, 6, 7, 11):
        return
    try:
        values = onnx.numpy_helper.to_array(tensor).copy()
    except Exception:  # of one that is wrong already
        return
    if values.size:
        new = _number(rng, 0, values.dtype.kind == "f")
        limits = np.iinfo(values.dtype) if values.dtype.kind == "i" else None
        values.flat[rng.integers(values.size)] = new if limits is None else min(max(new, limits.min), limits.max)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def _retype(rng: Rng, model: Message) -> None:
    """The declared type of a tensor, an input or an attribute."""
    message = _any_of(rng, model, "TensorProto", "Tensor", "AttributeProto")
    field = {"TensorProto": "data_type", "Tensor": "elem_type", "AttributeProto": "type"}.get(type(message).__name__)
    if field is not None:
        setattr(message, field, int(rng.integers(0, 15 if field == "type" else 27)))


def _reoperate(rng: Rng, model: Message) -> None:
    """The operator of a node."""
    node = _any_of(rng, model, "NodeProto")
    if hasattr(node, "op_type"):
        node.op_type = str(_pick(rng, OPERATORS))


def _rewire(rng: Rng, model: Message) -> None:
    """What a node reads."""
    node = _any_of(rng, model, "NodeProto")
    values = [name for other in model.graph.node for name in other.output] + [t.name for t in model.graph.initializer]
    values += [entry.name for entry in model.graph.input] + [""]
    if hasattr(node, "op_type") and node.input:
        node.input[int(rng.integers(len(node.input)))] = _pick(rng, values)


def _insert(rng: Rng, model: Message) -> None:
    """A node between two others."""
    node = _any_of(rng, model, "NodeProto")
    if not hasattr(node, "op_type") or not node.input:
        return
    place = int(rng.integers(len(node.input)))
    name = f"inserted.{len(model.graph.node)}.{rng.integers(1000)}"
    constants = [tensor.name for tensor in model.graph.initializer] or [node.input[place]]
    more = [_pick(rng, constants) for _ in range(rng.integers(3))]
    attributes = {key: int(rng.integers(-3, 4)) for key in ("axis", "keepdims") if rng.random() < 0.2}
    new = onnx.helper.make_node(str(_pick(rng, OPERATORS)), [node.input[place], *more], [name], **attributes)
    node.input[place] = name
    at = next((k for k, other in enumerate(model.graph.node) if other == node), 0)
    _set(model.graph.node, [*model.graph.node[:at], new, *model.graph.node[at:]])


#: Those that the importer reads, and some that it does not.
OPERATORS = [*sorted(importer.OPERATORS), "If", "Loop", "Scan", "Einsum", "Resize", "NoSuch"]

Change = Callable[[Rng, Message], None]
CHANGES: list[Change] = [
    *(_drop, _duplicate, _swap, _clear, _exchange, _rename, _renumber, _renumber),
    *(_reshape, _resized, _revalue, _retype, _reoperate, _rewire, _insert),
]
