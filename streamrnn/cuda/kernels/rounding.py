"""The vector type on the GPU: a vector of one lane, each of whose operations is rounded once, to nearest.

The cells and activations are those of the CPU, written for vectors of any number of lanes; a thread is a lane. NVVM would fuse
a product with the sum that follows it. So the operators of floats are intrinsics that name their rounding, such as
`mul.rn.f32`, and are never fused: the bits are those of a CPU (bit reproducibility, the machine law).
"""

import operator
from typing import Any

from llvmlite import ir
from numba.cuda.datamodel import models
from numba.cuda.extending import lower_builtin, lower_cast, register_model
from numba.cuda.typing.templates import AbstractTemplate, infer_global

from streamrnn.simd.vector import Emit, Target, introduce_vectors


def _rounded(name: str) -> Emit:
    """What emits NVVM's operation of this name, rounded to nearest."""

    def emit(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
        called = f"llvm.nvvm.{name}.rn.{'f' if isinstance(a.type, ir.FloatType) else 'd'}"
        function = builder.module.declare_intrinsic(called, (), ir.FunctionType(a.type, [a.type] * 2))
        return builder.call(function, [a, b])

    return emit


def _negate(builder: ir.IRBuilder, a: ir.Value) -> ir.Value:
    """-a, by flipping the sign bit: in NVVM, only this is right for the sign of zero."""
    bits = ir.IntType(32 if isinstance(a.type, ir.FloatType) else 64)
    return builder.bitcast(builder.xor(builder.bitcast(a, bits), ir.Constant(bits, 1 << (bits.width - 1))), a.type)


def _subtract(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    return _rounded("add")(builder, a, _negate(builder, b))


_FLOATS: dict[Any, Emit] = {
    operator.add: _rounded("add"),
    operator.sub: _subtract,
    operator.mul: _rounded("mul"),
    operator.truediv: _rounded("div"),
}

introduce_vectors(Target(models, register_model, lower_cast, lower_builtin, AbstractTemplate, infer_global, _FLOATS, _negate))
