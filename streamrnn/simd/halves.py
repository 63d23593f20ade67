"""Numbers of 16 bits, loaded as float32: bfloat16 and float16. Both are exact.

bfloat16 is the upper half of a float32. Two rows lie in one, so a word has a number of each: that of the first row is moved up,
and that of the second is what is left without the first. That is one instruction for each.
"""

from llvmlite import ir

from streamrnn.simd.memory import emit_load
from streamrnn.target.cpu import converts_halves
from streamrnn.target.packing import BFLOAT16

_SHORT, _LONG, _FLOAT = ir.IntType(16), ir.IntType(32), ir.FloatType()


def emit_half(builder: ir.IRBuilder, address: ir.Value, lanes: int, stored: str, row: int) -> ir.Value:
    """A vector of `lanes` float32, from the numbers of a type of 16 bits at an address.

    row  of bfloat16, which of the two rows that lie in one
    """
    if stored == BFLOAT16:
        words = emit_load(builder, address, _vector(_LONG, lanes))
        upper = (
            builder.and_(words, _constant(_LONG, lanes, 0xFFFF0000)) if row else builder.shl(words, _constant(_LONG, lanes, 16))
        )
        return builder.bitcast(upper, _vector(_FLOAT, lanes))
    if converts_halves():
        return builder.fpext(emit_load(builder, address, _vector(ir.HalfType(), lanes)), _vector(_FLOAT, lanes))
    bits = builder.zext(emit_load(builder, address, _vector(_SHORT, lanes)), _vector(_LONG, lanes))
    return _emit_by_arithmetic(builder, bits, lanes)


def _emit_by_arithmetic(builder: ir.IRBuilder, bits: ir.Value, lanes: int) -> ir.Value:
    """float16 to float32 on a CPU without an instruction for it. Infinity and NaN do not occur.

    Exponent and mantissa move up, and the bias of the exponent is multiplied away, which is exact for subnormal numbers too.
    """
    sign = builder.shl(builder.and_(bits, _constant(_LONG, lanes, 0x8000)), _constant(_LONG, lanes, 16))
    rest = builder.shl(builder.and_(bits, _constant(_LONG, lanes, 0x7FFF)), _constant(_LONG, lanes, 13))
    size = builder.fmul(builder.bitcast(rest, _vector(_FLOAT, lanes)), _constant(_FLOAT, lanes, 2.0**112))
    whole = builder.or_(builder.bitcast(size, _vector(_LONG, lanes)), sign)
    return builder.bitcast(whole, _vector(_FLOAT, lanes))


def _vector(kind: ir.Type, lanes: int) -> ir.Type:
    return ir.VectorType(kind, lanes) if lanes > 1 else kind


def _constant(kind: ir.Type, lanes: int, value: float) -> ir.Value:
    return ir.Constant(_vector(kind, lanes), [kind(value)] * lanes if lanes > 1 else value)
