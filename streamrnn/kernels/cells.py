"""Cells in kernels: a plain Python function is compiled, and applied to the sums and states of a panel of units.

A cell is written with streamrnn/functions.py, which works on NumPy arrays. Here the functions of that file are replaced by
compiled ones that work on vectors of units.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import types

from streamrnn import functions
from streamrnn.kernels import activations
from streamrnn.kernels.exponential import exp, flush_to_zero, log, times_log2e
from streamrnn.kernels.inline import inline, is_for_size
from streamrnn.recipe import OPTIONS, Pass
from streamrnn.simd.arithmetic import absolute, emit_after, fma, select, square_root
from streamrnn.simd.memory import INT, bytes_of, emit_load, emit_store, load_like
from streamrnn.simd.vector import Vec, llvm_type, numba_type
from streamrnn.target.cpu import keeps_order
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
def compiled_cell(function: Callable[..., Any]) -> Any:
    """A cell as a kernel part. The functions that it calls are compiled too: ours, and plain ones of its own module."""
    if function in _COMPILED:
        return _COMPILED[function]
    names = {name: function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__}
    globals_ = {name: compiled_cell(value) if isinstance(value, FunctionType) else value for name, value in names.items()}
    rebound = FunctionType(function.__code__, globals_, function.__name__, function.__defaults__, function.__closure__)
    return inline(rebound)


class Stage(NamedTuple):
    """A stage of a cell, typed for the vectors of a width.

    function   Numba's type of the compiled function
    signature  its signature for these vectors
    names      of its parameters; that for the result of the stage before is `BEFORE`
    """

    function: Any
    signature: Any
    names: tuple[str, ...]


#: Stands for the parameter of a stage that takes what the stage before returned.
BEFORE = ""


@dataclass(frozen=True)
class Cell:
    """The cell of a pass, typed for the vectors of a width. An intrinsic calls `emit` for each panel.

    one     the pass
    width   of the layer
    stages  of the cell, in the order of computing
    flush   type and signature of `flush_to_zero`
    """

    one: Pass
    width: Width
    stages: Sequence[Stage]
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
        """Apply the cell to the units of a panel, and store what it returns.

        sums       (name, block) -> a vector of sums
        addresses  name -> address of the first unit of a vector that the cell reads
        results    name -> address of the first unit of a vector that the cell writes
        options    address of the options of the layer
        offset     bytes from the first unit of the layer to the first of the panel

        All blocks go through a stage before any goes through the next, one after the other. A CPU that works on some hundred
        instructions at once finds among them the stage of several blocks, which do not wait for each other.
        """
        offsets = [builder.add(offset, INT(block * bytes_of(self.vec))) for block in range(self.width.blocks)]
        is_ordered = len(self.stages) > 1 and keeps_order(self.width) and not is_for_size()
        before: list[Any] = [None] * self.width.blocks
        latest: ir.Value | None = None

        def in_order(value: ir.Value) -> ir.Value:
            return emit_after(builder, value, latest) if is_ordered and latest not in (None, value) else value

        for stage in self.stages:
            implementation = called(context, (stage.function, stage.signature))
            for block, at in enumerate(offsets):
                arguments = []
                for name in stage.names:
                    if name == OPTIONS:
                        arguments.append(options)
                    elif name == BEFORE:
                        arguments.append(in_order(before[block]))
                    elif name in self.one.sums:
                        arguments.append(in_order(sums[name, block]))
                    else:
                        arguments.append(emit_load(builder, builder.add(addresses[name], at), llvm_type(self.vec)))
                latest = before[block] = implementation(builder, arguments)
                if stage is self.stages[-1]:
                    latest = self._store(context, builder, latest, results, at)

    def _store(
        self, context: Any, builder: ir.IRBuilder, result: ir.Value, results: Mapping[str, ir.Value], offset: ir.Value
    ) -> ir.Value:
        """Store what the cell returns for a block of units. Returns the first vector of it."""
        is_single = isinstance(self.stages[-1].signature.return_type, Vec)
        values = []
        for index, name in enumerate(self.one.writes):
            value = result if is_single else builder.extract_value(result, index)
            if self.one.flushed:
                value = called(context, self.flush)(builder, [value])
            emit_store(builder, builder.add(results[name], offset), value)
            values.append(value)
        return values[0]


def called(context: Any, function: tuple[Any, Any]) -> Any:
    """What emits a call of a function, given its type and signature."""
    implementation = context.get_function(*function)
    context.add_linking_libs(getattr(implementation, "libs", ()))
    return implementation


def typed_cell(typingctx: Any, one: Pass, width: Width) -> Cell:
    """The cell of a pass, typed for a width. For the typing part of an intrinsic."""
    vec = Vec(numba_type(width.dtype), width.lanes)
    stages = [_typed_stage(typingctx, function, one, vec) for function in one.stages or (one.cell,)]
    flush = typingctx.resolve_value_type(flush_to_zero)
    return Cell(one, width, stages, (flush, flush.get_call_type(typingctx, (vec,), {})))


def _typed_stage(typingctx: Any, function: Callable[..., Any], one: Pass, vec: Vec) -> Stage:
    names = tuple(inspect.signature(function).parameters)
    if one.stages and function is not one.stages[0]:
        names = (BEFORE, *names[1:])
    arguments = tuple(types.int64 if name == OPTIONS else vec for name in names)
    compiled = typingctx.resolve_value_type(compiled_cell(function))
    return Stage(compiled, compiled.get_call_type(typingctx, arguments, {}), names)
