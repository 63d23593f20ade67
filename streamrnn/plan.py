"""`Plan`: a model packed for this CPU, with the addresses of its compiled kernels. Shared by all streams of the model."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from streamrnn.code_cache import Function, address_of
from streamrnn.errors import ModelError
from streamrnn.layers import Layer
from streamrnn.model import Model
from streamrnn.model.loops import is_loop, parts
from streamrnn.target.caches import caches
from streamrnn.target.cpu import INPUT_SUMS_FROM, driver_width, pool_width_for, row_width, width_for
from streamrnn.target.layout import CACHE_LINE, aligned
from streamrnn.target.op import Op
from streamrnn.target.packed_form import packed_form
from streamrnn.target.packing import Array, DType, Width
from streamrnn.target.record import POOL_TILE

#: Steps of a chunk that pass through a layer before the next layer: few enough that the values between them stay in the cache.
TILE_STEPS = 24

#: And of a model whose weights are more than four times the second cache, since each tile loads them again from further away.
TILE_STEPS_OF_LARGE = 48

#: And where steps compute input sums of coming steps, of which those of a tile's first steps come before.
TILE_STEPS_BESIDE = 96

#: Values between layers with several rows a step, for a tile, at most: few enough that they stay in the cache.
MANY_ROWS = 1 << 15


class Group(NamedTuple):
    """Ops through which a driver takes the rows of a tile, one after the other.

    ops       indices of the ops, in the order in which they run
    together  True: all ops take a row before any op takes the next, so that an op can read what a later op returned for the
              previous row. False: each op takes all rows before the next op begins
    rows      rows for each step of the call
    """

    ops: tuple[int, ...]
    together: bool = False
    rows: int = 1


class Plan:
    """A model as a driver runs it: packed ops, and the addresses of the kernels.

    The first use of an address compiles what is missing.

    ops      one for each layer, by its index; then a second half for each layer that reads a later one (`Op.halves`)
    halves   index of a second half -> index of the first, whose state it sets
    sources  for each op, the indices of the ops that it reads; -1 is the input of the call
    stride   rows of the input for each step of the call; `step_shape` is the shape of its input
    output   index of the op whose output is the output of the call
    groups   of ops, in the order in which they run
    kernels  region of the memory layout -> the function whose address it is: of each op, and of the rows of a step

    Raises ModelError, naming the layer, for a model that is not streamable.
    """

    def __init__(self, model: Model) -> None:
        self.ops: list[Op] = []
        self.widths: list[Width] = []
        self.sources = list(model.sources)
        self.output, self.halves = len(model.layers) - 1, dict[int, int]()
        self.input_size, self.output_size = model.input_size, model.output_size
        self.stride, self.step_shape, self._rows = model.stride, model.step_shape, model.rows
        self.dtype: DType = model.dtype.type
        for index, layer in enumerate(model.layers):
            self.widths.append(self._width_for(layer))
            try:
                self.ops.append(layer.pack(self.widths[-1]))
            except ModelError as error:
                raise ModelError(f"layer {index}: {error}") from None
        tile = self._steps_of_a_tile()
        many = sum(rows * op.output_size for rows, op in zip(self._rows, self.ops, strict=True) if rows > 1)
        self.tile = max(1, min(tile, MANY_ROWS // many)) if many else tile
        self.groups = _joined(self._group(part) for part in parts(model.sources))
        self._arrays: list[Array] = []  # keeps alive what the bases point to
        of_ops = enumerate(zip(self.ops, self.widths, strict=True))
        self.kernels = {f"kernel {index}": self._function(op, width) for index, (op, width) in of_ops}
        for index, op in enumerate(self.ops):
            if op.held is not None:
                kernel_of = pool_kernel_of if op.row_kernel_is_a_pools else stream_kernel_of
                self.kernels[f"row kernel {index}"] = Function(kernel_of(op.held), self.widths[index])

    _driver = "kernels.driver.run"

    def _steps_of_a_tile(self) -> int:
        if any(width.beside for width in self.widths):
            return TILE_STEPS_BESIDE
        return TILE_STEPS_OF_LARGE if self.weight_bytes > 4 * caches().second else TILE_STEPS

    def _group(self, part: tuple[int, ...]) -> Group:
        """The ops of layers that read each other, or of a single layer. One that reads a later layer is split in two."""
        together, rows, second_halves = self._goes_together(part), self._rows[part[0]], []
        for index in part if is_loop(part, self.sources) else ():
            if any(source >= index for source in self.sources[index]):
                second_halves.append(len(self.ops))
                self.halves[len(self.ops)] = index
                self.ops.append(self.ops[index].take)
                self.widths.append(self.widths[index])
                self.sources.append(self.sources[index])
                self.ops[index], self.sources[index] = self.ops[index].give, ()
        return Group((*part, *second_halves), together, rows)

    def _goes_together(self, part: tuple[int, ...]) -> bool:
        """Whether the ops of a part of the graph go together, row by row."""
        return is_loop(part, self.sources)

    @property
    def functions(self) -> list[Function]:
        """The compiled functions: the kernel of each op, those of the rows of a step, and the driver."""
        return [*self.kernels.values(), Function(self._driver, driver_width(self.dtype))]

    @cached_property
    def driver(self) -> int:
        """Address of the driver."""
        return address_of(*self.functions[-1])

    @cached_property
    def bases(self) -> dict[str, int]:
        """Region of the memory layout (streamrnn/memory_layout.py) -> address, of weights, constants and kernels."""
        kernels = {region: address_of(*kernel) for region, kernel in self.kernels.items()}
        return kernels | {region: self._copy(numbers) for region, numbers in self.numbers.items()}

    @property
    def numbers(self) -> dict[str, Array]:
        """Region -> the weights, constants or first states in it."""
        numbers: dict[str, Array] = {}
        for index, op in enumerate(self.ops):
            numbers |= {f"weights {index}": op.row.weights, f"constants {index}": op.row.constants}
            if op.held is not None:
                numbers[f"first states {index}"] = self._first_states(index)
        return numbers

    def _function(self, op: Op, width: Width) -> Function:
        """The kernel of an op. One that goes over rows only moves values itself."""
        return Function(self._kernel_of(op), width if op.held is None else row_width(self.dtype))

    def _width_for(self, layer: Layer) -> Width:
        row = layer.row
        if row is not layer and layer.states:
            return pool_width_for(row.n_units, row.passes, self.dtype, row.stored)
        recurrent = row.output_size if row.states else 0
        return width_for(row.n_units, row.input_size, recurrent, row.passes, self.dtype, packed_form(row.stored))

    def _kernel_of(self, op: Op) -> str:
        return stream_kernel_of(op)

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights that one step reads."""
        return sum(rows * op.row.weights.nbytes for op, rows in zip(self.ops, self._rows, strict=False))

    @property
    def step_bytes(self) -> int:
        """Bytes that one step reads or writes: weights, inputs and outputs of the ops."""
        n_values = sum(rows * (op.input_size + op.output_size) for op, rows in zip(self.ops, self._rows, strict=False))
        return self.weight_bytes + np.dtype(self.dtype).itemsize * n_values

    @cached_property
    def strides(self) -> list[int]:
        """For each op, values from one state or scratch vector of a row to the next: whole panels, and whole cache lines."""
        return [self._stride(op.row, width) for op, width in zip(self.ops, self.widths, strict=True)]

    @cached_property
    def state_strides(self) -> list[int]:
        """For each op, values from one state vector that the stream keeps to the next."""
        return [
            self._stride(op, row_width(self.dtype)) if op.held else stride
            for op, stride in zip(self.ops, self.strides, strict=True)
        ]

    def _stride(self, op: Op, width: Width) -> int:
        units = [op.hidden_size, op.output_size, *(initial.size for initial in op.state.values())]
        line = CACHE_LINE // width.itemsize
        return -(-max(width.padded(n) for n in units) // line) * line

    def _first_states(self, index: int) -> Array:
        """The initial states of a row, each vector as long as the op's stride."""
        op, stride = self.ops[index].row, self.strides[index]
        whole = np.zeros((len(op.state), stride), self.dtype)
        for row, initial in zip(whole, op.state.values(), strict=True):
            row[: initial.size] = initial
        return whole.ravel()

    @cached_property
    def group_of(self) -> dict[int, Group]:
        """Index of an op -> its group."""
        return {op: group for group in self.groups for op in group.ops}

    def rows_of(self, index: int) -> int:
        """Rows in each step of the call: of the op at an index, or, at -1, of the input."""
        return self.stride if index == -1 else self.group_of[index].rows

    @cached_property
    def single_rows(self) -> frozenset[int]:
        """Ops whose last row is all that anyone reads: those of their own group, whose ops go together."""
        readers: dict[int, set[int]] = {}
        for number, group in enumerate(self.groups):
            for op in group.ops:
                for read in (op, *self.sources[op]):
                    readers.setdefault(read, set()).add(number)
        alone = {op for op, numbers in readers.items() if len(numbers) == 1 and self.groups[min(numbers)].together}
        return frozenset(alone - {self.output, -1})

    def rows_ahead_of(self, index: int) -> int:
        """The rows of a tile for which an op's input sums are computed ahead; 0 where they are not."""
        op, group = self.ops[index], self.group_of[index]
        if op.row.input_size < INPUT_SUMS_FROM or not op.row.input_sums or (group.together and op.held is None):
            return 0
        return self.tile if op.held else self.tile * group.rows

    def input_sums_of(self, index: int) -> int:
        """Size, in values, of an op's input sums for a tile of steps; 0 where they are not computed ahead."""
        op, width = self.ops[index].row, self.widths[index]
        return self.rows_ahead_of(index) * op.input_sums * width.padded(op.hidden_size)

    def _copy(self, values: Array) -> int:
        copy = aligned(values.size, values.dtype.type)
        copy[:] = values
        self._arrays.append(copy)
        return int(copy.ctypes.data)


class PoolPlan(Plan):
    """The plan of a model for pools, whose kernels take many streams. A layer without a state has one kernel for both."""

    _driver = "kernels.pool.driver.run"

    def _steps_of_a_tile(self) -> int:
        return POOL_TILE

    def _goes_together(self, part: tuple[int, ...]) -> bool:
        """The rows of an op are those of many streams, so even a loop takes them at once, unless a stream has several."""
        return self._rows[part[0]] > 1 and any(self.ops[index].has_state for index in part)

    def _width_for(self, layer: Layer) -> Width:
        if layer.row.states and not layer.states:  # its rows go through the kernel of a stream
            return super()._width_for(layer)
        return pool_width_for(layer.row.n_units, layer.row.passes, self.dtype, layer.row.stored)

    def _kernel_of(self, op: Op) -> str:
        return pool_kernel_of(op)


def _joined(groups: Iterable[Group]) -> list[Group]:
    """The groups, with consecutive ones joined whose ops do not go together."""
    joined: list[Group] = []
    for group in groups:
        if joined and not group.together and joined[-1]._replace(ops=()) == group._replace(ops=()):
            joined[-1] = group._replace(ops=joined[-1].ops + group.ops)
        else:
            joined.append(group)
    return joined


def stream_kernel_of(op: Op) -> str:
    """The path of an op's kernel for one stream (streamrnn/kernels/compile.py)."""
    return f"{op.recipe}/stream" if op.recipe else f"kernels.{op.kernel}"


def pool_kernel_of(op: Op) -> str:
    """The path of an op's kernel for pools."""
    if not op.has_state:
        return stream_kernel_of(op)
    return f"{op.recipe}/pool" if op.recipe else f"kernels.pool.{op.kernel}"


Made = TypeVar("Made")


def cached_per_model(make: Callable[[Model], Made]) -> Callable[[Model], Made]:
    """A function that calls `make` once per model, and keeps the result as long as the model lives."""
    kept: WeakKeyDictionary[Model, Made] = WeakKeyDictionary()

    def of(model: Model) -> Made:
        made = kept.get(model)
        if made is None:
            made = kept.setdefault(model, make(model))
        return made

    return of


#: The plan of a model.
plan_of = cached_per_model(Plan)
#: The plan of a model for pools.
pool_plan_of = cached_per_model(PoolPlan)
