"""What the GPU computes with: a vector of one lane, whose every operation is rounded once, to nearest.

The cells and activations are those of the CPU (streamrnn/kernels), written for vectors of any number of lanes; a thread is a
lane. NVVM would fuse a product and the sum behind it, so a float's operators are intrinsics that name their rounding, which
PTX holds to (`mul.rn.f32`): the same bits as on a CPU (the machine law).
"""

import operator
from typing import Any

from llvmlite import ir
from numba.cuda.datamodel import models
from numba.cuda.extending import lower_builtin, lower_cast, register_model
from numba.cuda.typing.templates import AbstractTemplate, infer_global

from streamrnn.simd.vector import Emit, Target, introduce_vectors


def _rounded(name: str) -> Emit:
    """NVVM's operation of this name, rounded to nearest."""

    def emit(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
        called = f"llvm.nvvm.{name}.rn.{'f' if isinstance(a.type, ir.FloatType) else 'd'}"
        function = builder.module.declare_intrinsic(called, (), ir.FunctionType(a.type, [a.type] * 2))
        return builder.call(function, [a, b])

    return emit


def _negate(builder: ir.IRBuilder, a: ir.Value) -> ir.Value:
    """-a, by turning the sign bit: NVVM has no other way that keeps a zero's sign."""
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
