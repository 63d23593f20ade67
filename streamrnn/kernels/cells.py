"""Cells in kernels: a plain function of streamrnn/functions.py, compiled, and taken to the sums and vectors of a panel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any

from llvmlite import ir
from numba.core import types

from streamrnn import functions
from streamrnn.kernels import activations
from streamrnn.kernels.exponential import exp, flush_to_zero, log
from streamrnn.kernels.inline import inline
from streamrnn.recipe import OPTIONS, Pass
from streamrnn.simd.arithmetic import absolute, fma, select, square_root
from streamrnn.simd.memory import INT, bytes_of, emit_load, emit_store, load_like
from streamrnn.simd.vector import Vec, llvm_type, numba_type
from streamrnn.target.packing import Width

#: What the functions of cells are in machine code.
_COMPILED: dict[Callable[..., Any], Any] = {
    functions.fma: fma,
    functions.where: select,
    functions.absolute: absolute,
    functions.square_root: square_root,
    functions.exp: exp,
    functions.log: log,
    functions.flush_to_zero: flush_to_zero,
    functions.option: load_like,
    **{
        getattr(functions, name): getattr(activations, name)
        for name in (
            "minimum", "maximum", "sigmoid2", "tanh2", "sigmoid", "tanh", "relu", "softplus", "clipped", "activate", "transform"
        )
    },
}  # fmt: skip


@cache
def compiled_cell(function: FunctionType) -> Any:
    """A cell as a part of kernels. The functions that it calls are compiled too: ours, or plain ones of its own module."""
    if function in _COMPILED:
        return _COMPILED[function]
    names = {name: function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__}
    meant = {name: compiled_cell(value) if isinstance(value, FunctionType) else value for name, value in names.items()}
    rebound = FunctionType(function.__code__, meant, function.__name__, function.__defaults__, function.__closure__)
    return inline(rebound)


@dataclass(frozen=True)
class Cell:
    """The cell of a pass, typed for vectors of a width: what an intrinsic calls for each block of a panel."""

    one: Pass
    width: Width
    function: Any  # its type
    signature: Any
    flush: Any  # type and signature of what flushes to zero

    @property
    def vec(self) -> Vec:
        """The type of its sums and vectors."""
        return Vec(numba_type(self.width.dtype), self.width.lanes)

    def emit(
        self,
        context: Any,
        builder: ir.IRBuilder,
        sums: Mapping[tuple[str, int], ir.Value],
        addresses: Mapping[str, ir.Value],
        results: Mapping[str, ir.Value],
        options: ir.Value,
        offset: ir.Value,
    ) -> None:
        """Take the units of a panel through the cell, block by block.

        sums       (name, block) -> a vector
        addresses  of the vectors that it reads, results: of those that it writes
        offset     bytes from the first unit to the first of the panel
        """
        implementation = _called(context, (self.function, self.signature))
        for block in range(self.width.blocks):
            at = builder.add(offset, INT(block * bytes_of(self.vec)))
            arguments = []
            for name in self.one.parameters:
                if name == OPTIONS:
                    arguments.append(options)
                elif name in self.one.sums:
                    arguments.append(sums[name, block])
                else:
                    arguments.append(emit_load(builder, builder.add(addresses[name], at), llvm_type(self.vec)))
            result = implementation(builder, arguments)
            single = isinstance(self.signature.return_type, Vec)
            for index, name in enumerate(self.one.writes):
                value = result if single else builder.extract_value(result, index)
                if self.one.flushed:
                    value = _called(context, self.flush)(builder, [value])
                emit_store(builder, builder.add(results[name], at), value)


def _called(context: Any, function: tuple[Any, Any]) -> Any:
    """What calls a typed function in machine code."""
    implementation = context.get_function(*function)
    context.add_linking_libs(getattr(implementation, "libs", ()))
    return implementation


def typed_cell(typingctx: Any, one: Pass, width: Width) -> Cell:
    """The cell of a pass for a width. For the typing part of an intrinsic."""
    function = typingctx.resolve_value_type(compiled_cell(one.cell))
    vec = Vec(numba_type(width.dtype), width.lanes)
    arguments = tuple(types.int64 if name == OPTIONS else vec for name in one.parameters)
    flush = typingctx.resolve_value_type(flush_to_zero)
    return Cell(
        one,
        width,
        function,
        function.get_call_type(typingctx, arguments, {}),
        (flush, flush.get_call_type(typingctx, (vec,), {})),
    )
