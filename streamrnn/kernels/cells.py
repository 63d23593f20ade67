"""Cells in kernels: a plain Python function is compiled, and applied to the sums and states of a panel of units.

A cell is written with streamrnn/functions.py, which works on NumPy arrays. Here the functions of that file are replaced by
compiled ones that work on vectors of units.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any

from llvmlite import ir
from numba.core import types

from streamrnn import functions
from streamrnn.kernels import activations
from streamrnn.kernels.exponential import exp, flush_to_zero, log, times_log2e
from streamrnn.kernels.inline import inline
from streamrnn.recipe import OPTIONS, Pass
from streamrnn.simd.arithmetic import absolute, fma, select, square_root
from streamrnn.simd.memory import INT, bytes_of, emit_load, emit_store, load_like
from streamrnn.simd.vector import Vec, llvm_type, numba_type
from streamrnn.target.packing import Width

#: The compiled version of each function of streamrnn/functions.py.
_COMPILED: dict[Callable[..., Any], Any] = {
    functions.fma: fma,
    functions.where: select,
    functions.absolute: absolute,
    functions.square_root: square_root,
    functions.exp: exp,
    functions.log: log,
    functions.times_log2e: times_log2e,
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
    """A cell as a kernel part. The functions that it calls are compiled too: ours, and plain ones of its own module."""
    if function in _COMPILED:
        return _COMPILED[function]
    names = {name: function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__}
    globals_ = {name: compiled_cell(value) if isinstance(value, FunctionType) else value for name, value in names.items()}
    rebound = FunctionType(function.__code__, globals_, function.__name__, function.__defaults__, function.__closure__)
    return inline(rebound)


@dataclass(frozen=True)
class Cell:
    """The cell of a pass, typed for the vectors of a width. An intrinsic calls `emit` for each panel.

    one        the pass
    width      of the layer
    function   Numba's type of the compiled cell
    signature  its signature for these vectors
    flush      type and signature of `flush_to_zero`
    """

    one: Pass
    width: Width
    function: Any
    signature: Any
    flush: Any

    @property
    def vec(self) -> Vec:
        """The type of a vector of units: of its sums and states."""
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
        """Apply the cell to the units of a panel, block by block, and store what it returns.

        sums       (name, block) -> a vector of sums
        addresses  name -> address of the first unit of a vector that the cell reads
        results    name -> address of the first unit of a vector that the cell writes
        options    address of the options of the layer
        offset     bytes from the first unit of the layer to the first of the panel
        """
        implementation = called(context, (self.function, self.signature))
        for block in range(self.width.blocks):
            block_offset = builder.add(offset, INT(block * bytes_of(self.vec)))
            arguments = []
            for name in self.one.parameters:
                if name == OPTIONS:
                    arguments.append(options)
                elif name in self.one.sums:
                    arguments.append(sums[name, block])
                else:
                    arguments.append(emit_load(builder, builder.add(addresses[name], block_offset), llvm_type(self.vec)))
            result = implementation(builder, arguments)
            is_single = isinstance(self.signature.return_type, Vec)
            for index, name in enumerate(self.one.writes):
                value = result if is_single else builder.extract_value(result, index)
                if self.one.flushed:
                    value = called(context, self.flush)(builder, [value])
                emit_store(builder, builder.add(results[name], block_offset), value)


def called(context: Any, function: tuple[Any, Any]) -> Any:
    """What emits a call of a function, given its type and signature."""
    implementation = context.get_function(*function)
    context.add_linking_libs(getattr(implementation, "libs", ()))
    return implementation


def typed_cell(typingctx: Any, one: Pass, width: Width) -> Cell:
    """The cell of a pass, typed for a width. For the typing part of an intrinsic."""
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
