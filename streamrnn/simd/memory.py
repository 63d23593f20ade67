"""Vectors and addresses: load, store, and the panel multiply.

Addresses are integers. Nothing here checks them: what calls a kernel has done that (the door law).
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.simd.arithmetic import emit_fma
from streamrnn.simd.vector import Vec, lane_type, llvm_type, numba_type, scalar_of, splat

_INT = ir.IntType(64)


def _pointer(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    return builder.inttoptr(address, kind.as_pointer())


def _load(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    load = builder.load(_pointer(builder, address, kind))
    load.align = 4
    return load


def _prefetch(builder: ir.IRBuilder, address: ir.Value) -> None:
    """Have the cache line at an address brought in; it need not exist."""
    kind, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
    function = ir.FunctionType(ir.VoidType(), [kind, flag, flag, flag])
    reading, near, data = flag(0), flag(3), flag(1)
    prefetch = builder.module.declare_intrinsic("llvm.prefetch", [kind], function)
    builder.call(prefetch, [_pointer(builder, address, ir.IntType(8)), reading, near, data])


def _bytes(vec: Vec) -> int:
    return vec.lanes * vec.dtype.bitwidth // 8


@intrinsic(prefer_literal=True)
def load(typingctx: Any, address: types.Type, dtype: types.Type, lanes: types.Type) -> Any:
    """The vector of `lanes` values of a NumPy type (both constants) at an address."""
    if not isinstance(lanes, types.IntegerLiteral) or not isinstance(dtype, types.NumberClass):
        return None
    vec = Vec(dtype.dtype, lanes.literal_value)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return _load(builder, args[0], llvm_type(vec))

    return signature(vec, types.int64, dtype, lanes), codegen


@intrinsic(prefer_literal=True)
def load_tuple(typingctx: Any, address: types.Type, dtype: types.Type, lanes: types.Type, count: types.Type) -> Any:
    """`count` vectors of `lanes` values of a NumPy type (all constants) that lie one behind the other."""
    if not isinstance(lanes, types.IntegerLiteral) or not isinstance(count, types.IntegerLiteral):
        return None
    vec = Vec(dtype.dtype, lanes.literal_value)
    result = types.UniTuple(vec, count.literal_value)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        addresses = [builder.add(args[0], _INT(index * _bytes(vec))) for index in range(result.count)]
        return cgutils.pack_array(builder, [_load(builder, address, llvm_type(vec)) for address in addresses])

    return signature(result, types.int64, dtype, lanes, count), codegen


@intrinsic
def load_scalar(typingctx: Any, address: types.Type, dtype: types.Type) -> Any:
    """The number of a NumPy type at an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return _load(builder, args[0], lane_type(sig.return_type))

    return signature(dtype.dtype, types.int64, dtype), codegen


@intrinsic
def load_like(typingctx: Any, address: types.Type, index: types.Type, like: types.Type) -> Any:
    """The number at a place of an array, which is of the lane type of `like`."""
    dtype = scalar_of(like)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        offset = builder.mul(args[1], _INT(dtype.bitwidth // 8))
        return _load(builder, builder.add(args[0], offset), lane_type(dtype))

    return signature(dtype, types.int64, types.int64, like), codegen


@intrinsic
def store(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write a vector or a number to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        write = builder.store(args[1], _pointer(builder, args[0], args[1].type))
        write.align = 4
        return context.get_dummy_value()

    return signature(types.void, types.int64, value), codegen


@intrinsic
def load_int(typingctx: Any, address: types.Type) -> Any:
    """The int64 at an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.load(_pointer(builder, args[0], _INT))

    return signature(types.int64, types.int64), codegen


@intrinsic
def load_int32(typingctx: Any, address: types.Type) -> Any:
    """The int32 at an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return _load(builder, args[0], ir.IntType(32))

    return signature(types.int32, types.int64), codegen


@intrinsic
def store_int(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write an int64 to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        builder.store(args[1], _pointer(builder, args[0], _INT))
        return context.get_dummy_value()

    return signature(types.void, types.int64, types.int64), codegen


@intrinsic
def store_int32(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write an int32 to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        builder.store(args[1], _pointer(builder, args[0], ir.IntType(32)))
        return context.get_dummy_value()

    return signature(types.void, types.int64, types.int32), codegen


@intrinsic(prefer_literal=True)
def multiply_panel(
    typingctx: Any, sums: types.Type, weights: types.Type, inputs: types.Type, count: types.Type, ahead: types.Type
) -> Any:
    """Add a matrix-vector product to `sums`, input by input: sums[j] = fma(inputs[k], weights[k, j], sums[j]).

    `weights` is the address of a packed panel, shape (count, len(sums), lanes); `inputs` that of `count` numbers; weights are
    fetched `ahead` bytes (a constant) before they are used, 0: not.
    The loop is built here because its sums must stay in registers, which LLVM grants to phis but not to a Numba loop.
    The order over k is the order of the rounding, whatever the vector width (the machine law).
    """
    if not isinstance(sums, types.UniTuple) or not isinstance(sums.dtype, Vec) or not isinstance(ahead, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        start, weights, inputs, count, _ = args
        first = [builder.extract_value(start, index) for index in range(sums.count)]
        row_bytes = sums.count * _bytes(sums.dtype)
        results = _multiply(builder, sums.dtype, first, weights, row_bytes, [inputs], count, ahead.literal_value)
        return cgutils.pack_array(builder, results)

    return signature(sums, sums, types.int64, types.int64, types.int64, ahead), codegen


def multiply_steps(group: range, vectors: int, n_steps: int, dtype: type, lanes: int) -> Any:
    """A kernel part that adds rows of a panel, times the inputs of `n_steps` steps, to sums in memory.

    Each weight is loaded once for all steps. `group` are the vectors of a row, of which there are `vectors`, that are summed.
    The part takes the address of the rows, and how many they are; that of their inputs, and the bytes from one step's to the
    next; that of the sums to begin with, and of those to write, each with the bytes from one step's to the next. The order of
    rounding is that of `multiply_panel`.
    """
    vec = Vec(numba_type(dtype), lanes)
    kind, offsets = llvm_type(vec), [place * _bytes(vec) for place in group]

    @intrinsic
    def multiply(
        typingctx: Any,
        rows: types.Type,
        count: types.Type,
        inputs: types.Type,
        input_stride: types.Type,
        begin: types.Type,
        begin_stride: types.Type,
        end: types.Type,
        end_stride: types.Type,
    ) -> Any:
        def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            rows, count, inputs, input_stride, begin, begin_stride, end, end_stride = args

            def steps(address: ir.Value, stride: ir.Value) -> list[ir.Value]:
                return [builder.add(address, builder.mul(_INT(step), stride)) for step in range(n_steps)]

            def places(address: ir.Value, stride: ir.Value) -> list[ir.Value]:
                return [builder.add(step, _INT(offset)) for step in steps(address, stride) for offset in offsets]

            first = [_load(builder, place, kind) for place in places(begin, begin_stride)]
            weights = builder.add(rows, _INT(offsets[0]))
            sums = _multiply(builder, vec, first, weights, vectors * _bytes(vec), steps(inputs, input_stride), count)
            for place, value in zip(places(end, end_stride), sums, strict=True):
                builder.store(value, _pointer(builder, place, kind)).align = 4
            return context.get_dummy_value()

        return signature(types.void, *[types.int64] * 8), codegen

    return multiply


def multiply_streams(sections: Sequence[tuple[Sequence[int], Sequence[int]]], n_streams: int, dtype: type, lanes: int) -> Any:
    """A kernel part that sums a packed panel for several streams, whose inputs lie wherever they are.

    Each weight is loaded once for all streams. `sections` are the two parts of the panel: which of a stream's sums begin with
    the vectors that come first (biases), and to which ones the rows behind them are added, times an input each. The part takes
    for each section its address, that of a list of addresses, one per stream, what is to be added to them to get those of the
    inputs, and how many inputs; and the address for the sums [stream][sum][lane]. The order of rounding is that of
    `multiply_panel`.
    """
    vec = Vec(numba_type(dtype), lanes)
    kind, n_bytes, streams = llvm_type(vec), _bytes(vec), range(n_streams)

    @intrinsic
    def multiply(
        typingctx: Any,
        first_at: types.Type,
        first_list: types.Type,
        first_offset: types.Type,
        first_count: types.Type,
        second_at: types.Type,
        second_list: types.Type,
        second_offset: types.Type,
        second_count: types.Type,
        results: types.Type,
    ) -> Any:
        def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            end = args[8]
            sums: dict[tuple[int, int], ir.Value] = {}
            for (begins, places), (at, addresses, offset, count) in zip(sections, (args[:4], args[4:8]), strict=True):
                for index, place in enumerate(begins):
                    bias = _load(builder, builder.add(at, _INT(index * n_bytes)), kind)
                    sums.update({(stream, place): bias for stream in streams})
                rows = builder.add(at, _INT(len(begins) * n_bytes))
                row_bytes, where = len(places) * n_bytes, [(stream, place) for stream in streams for place in places]
                inputs = [
                    builder.add(builder.load(_pointer(builder, builder.add(addresses, _INT(8 * stream)), _INT)), offset)
                    for stream in streams
                ]
                found = _multiply(builder, vec, [sums[key] for key in where], rows, row_bytes, inputs, count)
                sums.update(zip(where, found, strict=True))
            for index, key in enumerate(sorted(sums)):
                place = _pointer(builder, builder.add(end, _INT(index * n_bytes)), kind)
                builder.store(sums[key], place).align = 4
            return context.get_dummy_value()

        return signature(types.void, *[types.int64] * 9), codegen

    return multiply


def _multiply(
    builder: ir.IRBuilder,
    vec: Vec,
    first: Sequence[ir.Value],
    weights: ir.Value,
    row_bytes: int,
    inputs: Sequence[ir.Value],
    count: ir.Value,
    ahead: int = 0,
) -> list[ir.Value]:
    """A loop over `count` rows of weights that adds to the sums [step][vector], which begin as `first`."""
    kind, n_vectors = llvm_type(vec), len(first) // len(inputs)
    before = builder.block
    body = builder.append_basic_block("panel.body")
    after = builder.append_basic_block("panel.after")
    builder.cbranch(builder.icmp_signed(">", count, _INT(0)), body, after)

    builder.position_at_end(body)
    k = builder.phi(_INT)
    row = builder.phi(_INT)
    phis = [builder.phi(kind) for _ in first]
    offset = builder.mul(k, _INT(vec.dtype.bitwidth // 8))
    spreads = [splat(builder, _load(builder, builder.add(step, offset), lane_type(vec.dtype)), vec) for step in inputs]
    loaded = [_load(builder, builder.add(row, _INT(j * _bytes(vec))), kind) for j in range(n_vectors)]
    for j in range(n_vectors if ahead else 0):
        _prefetch(builder, builder.add(row, _INT(ahead + j * _bytes(vec))))
    pairs = [(spread, value) for spread in spreads for value in loaded]
    nexts = [emit_fma(builder, vec, *pair, phi) for pair, phi in zip(pairs, phis, strict=True)]
    k_next = builder.add(k, _INT(1))
    row_next = builder.add(row, _INT(row_bytes))
    builder.cbranch(builder.icmp_signed("<", k_next, count), body, after)
    for phi, begin, follow in [(k, _INT(0), k_next), (row, weights, row_next), *zip(phis, first, nexts, strict=True)]:
        phi.add_incoming(begin, before)
        phi.add_incoming(follow, body)

    builder.position_at_end(after)
    results = []
    for begin, follow in zip(first, nexts, strict=True):
        result = builder.phi(kind)
        result.add_incoming(begin, before)
        result.add_incoming(follow, body)
        results.append(result)
    return results
