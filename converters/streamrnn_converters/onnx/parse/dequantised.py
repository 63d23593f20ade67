"""Graphs whose weights are integers, as the graphs of floats that they stand for.

A weight becomes scale · (q − zero point), in float32: exactly the number that the graph says it is. Where the graph rounds a
signal to integers, the copy does not. It keeps their range: quantisers leave a relu to it.

Sources: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, MatMulInteger and ConvInteger of ONNX; DynamicQuantizeLSTM,
DynamicQuantizeMatMul and MatMulIntegerToFloat of onnxruntime's ContribOperators.md. `onnxruntime.quantization` writes them.
"""

from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.parse.tensors import array_of

_Array = NDArray[Any]

_FLOATS = ("float32", "float16")
_RANGES = {f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (2, 4, 8, 16, 32)}
_RANGES |= {f"uint{bits}": (0, 2**bits - 1) for bits in (2, 4, 8, 16)}
#: What may be done with the integers of a signal: their values are only moved.
_MOVES = frozenset({"Flatten", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})
_BOUNDS_ARE_INPUTS = 11  # opset of Clip
_N_LSTM_INPUTS = 8  # of the LSTM of ONNX; after them come the scales and zero points
_TABLE = "table"  # the origin of integers that are rows of a constant table; no node gives it
_REMEDY = "quantise with quant_format=QuantFormat.QDQ, or export the model in float32"


class _Grid(NamedTuple):
    """The numbers scale · (q − zero) that a signal was rounded to."""

    scale: float
    zero: int


class _Sums(NamedTuple):
    """Sums of products of a signal's integers, which `origin` gives, with the weights (q − zero point), and the node."""

    origin: str
    signal: str
    weights: _Array
    proto: onnx.NodeProto


def dequantised(data: bytes) -> tuple[bytes, list[str]]:
    """The bytes of a graph in floats, and what was changed, one sentence each.

    Raises ConversionError, naming the node and the reason, for integers that are not understood.
    """
    if b"Quantize" not in data and b"DequantizeLinear" not in data and b"Integer" not in data:
        return data, []
    model = onnx.load_model_from_string(data)
    remarks = dequantise(model)
    return (model.SerializeToString(), remarks) if remarks else (data, [])


def dequantise(model: onnx.ModelProto) -> list[str]:
    """Turn a graph into one of floats. Returns what was changed, one sentence each."""
    copy = _Copy(model)
    for index, proto in enumerate(model.graph.node):
        node = Node(proto.name or f"#{index}", proto.op_type, tuple(proto.input), tuple(proto.output))
        with node.refusing():
            copy.visit(proto, node)
    return copy.finish()


class _Copy:
    """The graph of floats in the making: it visits the nodes once, in their order."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._names = {name for node in model.graph.node for name in (*node.input, *node.output)} | set(self._constants)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[TensorProto] = []
        self._dropped = set[str]()  # constants that a node of the copy need not read
        self._rounds = False
        self._grids: dict[str, _Grid] = {}  # by name of a signal that was rounded to it: of floats, in the copy
        self._picked: dict[str, onnx.NodeProto] = {}  # rows of a table of integers, and the node that picks them
        # What a graph that finds the scale of a signal as it runs has of it, by name
        self._integers: dict[str, tuple[str, str]] = {}  # the integers: their origin, the signal
        self._zeros: dict[str, str] = {}  # the zero point: its origin
        self._scales: dict[str, tuple[str, _Array]] = {}  # the scale: its origin, and the scale of weights that is in it
        self._sums: dict[str, _Sums] = {}
        self._handlers = {
            "Cast": self._cast,
            "Constant": self._constant,
            "ConvInteger": self._sum,
            "DequantizeLinear": self._dequantize,
            "DynamicQuantizeLSTM": self._lstm,
            "DynamicQuantizeLinear": self._quantize_dynamically,
            "DynamicQuantizeMatMul": self._product,
            "Gather": self._gather,
            "MatMulInteger": self._sum,
            "MatMulIntegerToFloat": self._product,
            "Mul": self._multiply,
            "QuantizeLinear": self._quantize,
        }

    def visit(self, proto: onnx.NodeProto, node: Node) -> None:
        """Take what a node stands for into the copy; the node itself where it computes with floats."""
        if node.op.startswith("QLinear") or node.op in ("QGemm", "QAttention"):
            raise node.refused(f"computes with integers between nodes, the form QOperator; {_REMEDY}")
        handler = self._handlers.get(node.op)
        if handler is None or not handler(proto, node):
            self._keep(proto, node)

    def finish(self) -> list[str]:
        """Put the copy into the model. Returns what was changed."""
        graph = self._model.graph
        for info in graph.output:
            if self._is_of_integers(info.name):
                end = Node(info.name, "output", (), ())
                raise end.refused("gives integers, which stand for numbers; export it with DequantizeLinear behind it")
        if not self._weights and not self._rounds:
            return []
        read = {info.name for info in (*graph.input, *graph.output)} | {name for node in self._nodes for name in node.input}
        kept = [tensor for tensor in graph.initializer if tensor.name in read or tensor.name not in self._dropped]
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(node for node in self._nodes if not set(node.output) <= self._dropped - read)
        graph.initializer.extend([*kept, *self._weights])
        remarks = []
        if self._weights:
            names = ", ".join(repr(tensor.name) for tensor in self._weights)
            remarks.append(f"integers times a scale in the graph, the same numbers as floats in the model: {names}")
        if self._rounds:
            remarks.append(
                "the graph rounds signals to integers; the model does not, nor does the graph that it is compared with"
            )
        return remarks

    def _is_of_integers(self, name: str) -> bool:
        """Whether a name stands for integers in the graph, and for something else or nothing in the copy."""
        known = (self._grids, self._picked, self._integers, self._zeros, self._scales, self._sums)
        return any(name in one for one in known)

    def _keep(self, proto: onnx.NodeProto, node: Node) -> None:
        """A node of floats, or one that moves the integers of a signal, which in the copy are floats."""
        own, moved = onnx.NodeProto(), node.inputs[0] if node.inputs else ""
        own.CopyFrom(proto)
        self._nodes.append(own)
        moves = node.op in _MOVES and len(node.outputs) == 1 and not any(map(self._is_of_integers, node.inputs[1:]))
        if moves and moved in self._grids:
            self._grids[node.outputs[0]] = self._grids[moved]
        elif moves and moved in self._integers:
            origin, own.input[0] = self._integers[moved]
            self._integers[node.outputs[0]] = origin, node.outputs[0]
        elif any(map(self._is_of_integers, node.inputs)):
            raise node.refused(f"computes with the integers of a signal; {_REMEDY}")

    # Nodes that give the integers of a signal, or the floats again

    def _quantize(self, proto: onnx.NodeProto, node: Node) -> bool:
        """QuantizeLinear: a signal that is bounded; integers where it reads a constant."""
        _only(proto, node, "axis", "saturate", "output_dtype")
        if self._is_of_integers(node.inputs[0]):
            raise node.refused(f"computes with the integers of a signal; {_REMEDY}")
        x, target = node.inputs[0], node.outputs[0]
        scale, zero, kind = self._scale(proto, node)
        least, most = _RANGES[kind]
        if x in self._constants:
            array = self._array(node, x)
            steps = np.rint(array.astype(np.float32) / _along(node, scale, array.ndim, _axis(proto)))
            whole = np.clip(steps + _along(node, zero, array.ndim, _axis(proto)), least, most).astype(np.int32)
            self._constants[target] = numpy_helper.from_array(whole, target)
            self._dropped.add(x)
            return True
        if scale.size != 1 or zero.size != 1:
            raise node.refused("rounds a signal with a scale for each of its values, which is not understood; take one scale")
        grid = _Grid(float(scale.item()), int(zero.item()))
        lowest, highest = (np.float32(bound - grid.zero) * scale.reshape(()) for bound in (least, most))
        self._bound(x, target, lowest, highest)
        self._grids[target] = grid
        self._rounds = True
        return True

    def _bound(self, x: str, target: str, lowest: Any, highest: Any) -> None:
        versions = [entry.version for entry in self._model.opset_import if entry.domain in ("", "ai.onnx")]
        if min(versions, default=0) < _BOUNDS_ARE_INPUTS:
            self._nodes.append(helper.make_node("Clip", [x], [target], target, min=float(lowest), max=float(highest)))
            return
        names = [self._named(f"{target}.{end}") for end in ("lowest", "highest")]
        for name, bound in zip(names, (lowest, highest), strict=True):
            tensor = numpy_helper.from_array(np.asarray(bound), name)
            self._nodes.append(helper.make_node("Constant", [], [name], name, value=tensor))
        self._nodes.append(helper.make_node("Clip", [x, *names], [target], target))

    def _dequantize(self, proto: onnx.NodeProto, node: Node) -> bool:
        """DequantizeLinear: weights; a signal that was rounded before; rows of a table."""
        _only(proto, node, "axis", "output_dtype")
        q, target = node.inputs[0], node.outputs[0]
        scale, zero, _ = self._scale(proto, node)
        if q in self._constants:
            self._add(target, _weights(node, self._array(node, q), scale, zero, _axis(proto)))
            self._dropped.add(q)
        elif q in self._grids:
            if scale.size != 1 or self._grids[q] != (float(scale.item()), int(zero.item())):
                raise node.refused(
                    "its scale or zero point is not that with which the signal was rounded, which is not understood"
                )
            self._nodes.append(helper.make_node("Identity", [q], [target], node.name))
        elif q in self._picked:
            if scale.size != 1 or zero.size != 1:
                raise node.refused("its table has a scale for each of its rows, which is not understood; take one scale")
            picks = self._picked[q]
            own = onnx.NodeProto()
            own.CopyFrom(picks)
            own.input[0], own.output[0] = self._named(f"{picks.input[0]}.floats"), target
            self._add(own.input[0], _weights(node, self._array(node, picks.input[0]), scale, zero, 0))
            self._dropped.add(picks.input[0])
            self._nodes.append(own)
        else:
            raise node.refused("its input is neither constant weights nor a signal that was rounded before; export in float32")
        return True

    def _gather(self, proto: onnx.NodeProto, node: Node) -> bool:
        """Gather from a table of integers, for a DequantizeLinear."""
        table = self._constants.get(node.inputs[0])
        small = (TensorProto.INT8, TensorProto.UINT8)
        if table is None or table.data_type not in small or any(map(self._is_of_integers, node.inputs[1:])):
            return False
        self._picked[node.outputs[0]] = proto
        return True

    # Nodes of `quantize_dynamic`, which find the scale of a signal as they run

    def _quantize_dynamically(self, proto: onnx.NodeProto, node: Node) -> bool:
        _only(proto, node)
        x, (integers, scale, zero) = node.inputs[0], node.outputs
        if self._is_of_integers(x):
            raise node.refused(f"computes with the integers of a signal; {_REMEDY}")
        self._integers[integers] = integers, x
        self._scales[scale], self._zeros[zero] = (integers, np.ones((), np.float32)), integers
        self._rounds = True
        return True

    def _sum(self, proto: onnx.NodeProto, node: Node) -> bool:
        """MatMulInteger and ConvInteger."""
        names = [*node.inputs, "", ""][:4]
        origin, signal = self._integers.get(names[0]) or self._whole_rows(node, names[0], names[2])
        if not signal or names[1] not in self._constants:
            raise node.refused("does not multiply a signal, as DynamicQuantizeLinear gives it, with constant weights")
        if origin != _TABLE and self._zeros.get(names[2]) != origin:
            raise node.refused("its zero point is not that of the signal that it multiplies")
        weights, zero = self._array(node, names[1]).astype(np.int32), np.zeros((), np.int32)
        if names[3]:
            zero = self._array(node, names[3]).astype(np.int32)
        if node.op == "ConvInteger" and zero.ndim:
            zero = zero.reshape(-1, *[1] * (weights.ndim - 1))
        self._dropped.update(names[1:])
        self._sums[node.outputs[0]] = _Sums(origin, signal, np.asarray(weights - zero, np.float32), proto)
        return True

    def _whole_rows(self, node: Node, name: str, zero: str) -> tuple[str, str]:
        """Rows of a table of integers, as floats without their scale, which comes with that of the weights."""
        if name not in self._picked:
            return "", ""
        picks = self._picked[name]
        own = onnx.NodeProto()
        own.CopyFrom(picks)
        own.input[0], own.output[0] = self._named(f"{picks.input[0]}.floats"), self._named(f"{name}.floats")
        offset = self._array(node, zero) if zero else np.zeros((), np.int8)
        self._add(own.input[0], _weights(node, self._array(node, picks.input[0]), np.ones((), np.float32), offset, None))
        self._dropped.update((picks.input[0], zero))
        self._nodes.append(own)
        return _TABLE, own.output[0]

    def _cast(self, proto: onnx.NodeProto, node: Node) -> bool:
        if node.inputs[0] not in self._sums:
            return False
        (to,) = (attribute.i for attribute in proto.attribute if attribute.name == "to")
        if to != TensorProto.FLOAT:
            raise node.refused("its input is a sum of integers, which can only become FLOAT")
        self._sums[node.outputs[0]] = self._sums[node.inputs[0]]
        return True

    def _multiply(self, proto: onnx.NodeProto, node: Node) -> bool:
        """Mul of the two scales, and of their product with a sum of integers."""
        a, b = node.inputs
        if all(name in self._constants and len(self._constants[name].dims) < 2 for name in (a, b)):
            product = self._array(node, a) * self._array(node, b)
            self._constants[node.outputs[0]] = numpy_helper.from_array(product, node.outputs[0])
            self._dropped.add(node.outputs[0])
            return False
        for one, other in ((a, b), (b, a)):
            if one in self._scales and other in self._constants:
                origin, scale = self._scales[one]
                self._scales[node.outputs[0]] = origin, np.asarray(scale * self._array(node, other))
                self._dropped.add(other)
                return True
            if one in self._sums and (other in self._scales or other in self._constants):
                sums = self._sums[one]
                origin, scale = self._scales.get(other) or (_TABLE, self._array(node, other))
                if origin != sums.origin:
                    raise node.refused("multiplies a sum of integers with the scale of another signal")
                self._multiply_floats(node, sums, scale)
                return True
        return False

    def _multiply_floats(self, node: Node, sums: _Sums, scale: _Array) -> None:
        """What a sum of integers is, times its scales: a product of the signal with weights."""
        is_convolution = sums.proto.op_type == "ConvInteger"
        if is_convolution and scale.size > 1:
            n_axes, channels = sums.weights.ndim, len(sums.weights)
            if scale.ndim < n_axes - 1 or scale.size != channels or scale.shape[1 - n_axes] != channels:
                raise node.refused(f"its scales have the shape {scale.shape}, which is not one for each channel")
            scale = scale.reshape(channels, *[1] * (n_axes - 1))
        name = self._named(f"{sums.proto.input[1]}.floats")
        self._add(name, np.asarray(sums.weights * scale, np.float32))
        op = "Conv" if is_convolution else "MatMul"
        own = helper.make_node(op, [sums.signal, name], [node.outputs[0]], sums.proto.name or node.name)
        own.attribute.extend(sums.proto.attribute)
        self._nodes.append(own)

    # onnxruntime's own operators

    def _lstm(self, proto: onnx.NodeProto, node: Node) -> bool:
        """DynamicQuantizeLSTM: an LSTM whose W and R are (directions, rows, 4 hidden) integers."""
        inputs = [*node.inputs, *[""] * (_N_LSTM_INPUTS + 4 - len(node.inputs))]
        own = onnx.NodeProto()
        own.CopyFrom(proto)
        own.op_type, own.domain = "LSTM", ""
        for index, name in ((1, "W"), (2, "R")):
            scale, zero = inputs[_N_LSTM_INPUTS + 2 * (index - 1) :][:2]
            whole = self._array(node, inputs[index])
            spread = [self._array(node, one) if one else np.zeros(1, whole.dtype) for one in (scale, zero)]
            if whole.ndim != 3 or any(array.shape not in ((len(whole),), (len(whole), whole.shape[2])) for array in spread):
                shapes = ", ".join(str(array.shape) for array in (whole, *spread))
                raise node.refused(f"{name}, its scale and its zero point have the shapes {shapes}, which do not fit")
            by_direction = [array.reshape(len(whole), 1, -1) for array in spread]
            inputs[index] = self._named(f"{node.inputs[index]}.floats")
            floats = _weights(node, whole, by_direction[0], by_direction[1], None)
            self._add(inputs[index], np.ascontiguousarray(np.swapaxes(floats, 1, 2)))
            self._dropped.update((node.inputs[index], scale, zero))
        if any(map(self._is_of_integers, inputs)):
            raise node.refused(f"computes with the integers of a signal; {_REMEDY}")
        del own.input[:]
        own.input.extend(inputs[:_N_LSTM_INPUTS])
        while not own.input[-1]:
            own.input.pop()
        self._nodes.append(own)
        self._rounds = True
        return True

    def _product(self, proto: onnx.NodeProto, node: Node) -> bool:
        """DynamicQuantizeMatMul and MatMulIntegerToFloat: a product, and its bias."""
        _only(proto, node)
        names = [*node.inputs, *[""] * 7]
        if node.op == "DynamicQuantizeMatMul":
            signal, weights, scale, zero, bias = names[:5]
            self._rounds = True
        else:
            integers, weights, own_scale, scale, own_zero, zero, bias = names[:7]
            origin, signal = self._integers.get(integers, ("", ""))
            if not origin or (self._scales.get(own_scale) or ("",))[0] != origin or self._zeros.get(own_zero) != origin:
                raise node.refused(
                    "does not multiply a signal, as DynamicQuantizeLinear gives it, with its scale and zero point"
                )
        if self._is_of_integers(signal) or self._is_of_integers(bias):
            raise node.refused(f"computes with the integers of a signal; {_REMEDY}")
        whole = self._array(node, weights)
        offset = self._array(node, zero) if zero else np.zeros((), whole.dtype)
        name = self._named(f"{weights}.floats")
        self._add(name, _weights(node, whole, self._array(node, scale), offset, None))
        self._dropped.update((weights, scale, zero))
        product = self._named(f"{node.outputs[0]}.product") if bias else node.outputs[0]
        self._nodes.append(helper.make_node("MatMul", [signal, name], [product], node.name))
        if bias:
            self._nodes.append(helper.make_node("Add", [product, bias], [node.outputs[0]], f"{node.name}.bias"))
        return True

    # Constants

    def _constant(self, proto: onnx.NodeProto, node: Node) -> bool:
        for attribute in proto.attribute:
            if attribute.name == "value" and attribute.HasField("t"):
                self._constants[node.outputs[0]] = attribute.t
        return False

    def _array(self, node: Node, name: str) -> _Array:
        if name not in self._constants:
            raise node.refused(f"its input {name!r} is not a constant; export the model with its weights and scales inside")
        return array_of(self._constants[name], f"{node}, input {name!r}")

    def _scale(self, proto: onnx.NodeProto, node: Node) -> tuple[_Array, _Array, str]:
        """The scale and zero point that a node reads, and the type of the integers."""
        scale = self._array(node, node.inputs[1])
        kind = onnx.TensorProto.UINT8
        for attribute in proto.attribute:
            if attribute.name == "output_dtype" and attribute.i and node.op == "QuantizeLinear":
                kind = attribute.i
        if len(node.inputs) > 2 and node.inputs[2]:
            kind = self._constants[node.inputs[2]].data_type if node.inputs[2] in self._constants else kind
            zero = self._array(node, node.inputs[2])
        else:
            zero = np.zeros(scale.shape, np.int32)
        name = np.dtype(helper.tensor_dtype_to_np_dtype(kind)).name
        if name not in _RANGES:
            raise node.refused(f"its numbers are of type {name}, not integers; export in float32")
        self._dropped.update(node.inputs[1:])
        return scale, zero, name

    def _add(self, name: str, weights: _Array) -> None:
        """A constant of the copy."""
        self._weights.append(numpy_helper.from_array(weights, name))
        self._names.add(name)

    def _named(self, wanted: str) -> str:
        """A name that nothing in the graph has."""
        while wanted in self._names:
            wanted += "'"
        self._names.add(wanted)
        return wanted


def _weights(node: Node, integers: _Array, scale: _Array, zero: _Array, axis: int | None) -> _Array:
    """scale · (q − zero point), in the type of the scale.

    axis  of the scales, where these are a vector; None: they fit as they are
    """
    if integers.dtype.name not in _RANGES or zero.dtype.name not in _RANGES:
        raise node.refused(f"its weights are of type {integers.dtype}, not integers; export in float32")
    if scale.dtype.name not in _FLOATS:
        raise node.refused(f"its scale is of type {scale.dtype}, not FLOAT or FLOAT16; export in float32")
    scales, zeros = (_along(node, array, integers.ndim, axis) for array in (scale, zero))
    numbers = (integers.astype(np.int64) - zeros.astype(np.int64)).astype(np.float32) * scales.astype(np.float32)
    if numbers.shape != integers.shape:
        raise node.refused(f"scales of the shape {scale.shape} do not fit weights of the shape {integers.shape}")
    return np.asarray(numbers, scale.dtype)


def _along(node: Node, array: _Array, n_axes: int, axis: int | None) -> _Array:
    """A scale or zero point that broadcasts to integers of so many axes."""
    if axis is None or array.size == 1:
        return array.reshape(()) if array.size == 1 else array
    if array.ndim != 1 or not -n_axes <= axis < n_axes:
        raise node.refused(f"its scale has the shape {array.shape}; blocks with scales of their own are not understood")
    return array.reshape(-1, *[1] * (n_axes - 1 - axis % n_axes))


def _axis(proto: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in proto.attribute if attribute.name == "axis"), 1)


def _only(proto: onnx.NodeProto, node: Node, *understood: str) -> None:
    """Refuse attributes that are not understood, unless they are 0, their default."""
    for attribute in proto.attribute:
        if attribute.name not in understood and helper.get_attribute_value(attribute):
            raise node.refused(f"attribute {attribute.name!r} is not understood; export the model without it")
