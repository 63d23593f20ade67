"""`Plan`: a model packed for this CPU, with the addresses of its compiled kernels. Shared by all streams of the model."""

from bisect import bisect_right
from collections.abc import Callable
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from streamrnn.code_cache import address_of
from streamrnn.errors import ModelError
from streamrnn.layers import Layer
from streamrnn.model import Model
from streamrnn.target.cpu import driver_width, pool_width_for, width_for
from streamrnn.target.layout import aligned
from streamrnn.target.op import Op
from streamrnn.target.packing import Array, DType, Width
from streamrnn.target.record import POOL_TILE

#: Steps of a chunk that pass through a layer before the next layer: few enough that the values between them stay in the cache.
TILE_STEPS = 24

#: A layer with at least so many inputs computes the input sums of a chunk ahead, several steps at once (benchmarks/tune.py).
INPUT_SUMS_FROM = 8


class Group(NamedTuple):
    """Consecutive ops, through which a driver takes the rows of a tile.

    n_ops     how many ops
    together  True: all ops take a row before any op takes the next, so that an op can read what a later op returned for the
              previous row. False: each op takes all rows before the next op begins
    rows      rows for each step of the call
    """

    n_ops: int
    together: bool = False
    rows: int = 1


class Plan:
    """A model as a driver runs it: one packed op per layer, and the addresses of the kernels. Compiles missing kernels.

    sources  for each op, the indices of the ops that it reads; -1 is the input of the call
    output   index of the op whose output is the output of the call
    kept     indices of ops whose last output is a state; an earlier op that reads one gets the output of the previous step
    groups   of ops, in order
    bases    region of the memory layout (streamrnn/memory_layout.py) -> address, of weights, constants and kernels

    Raises ModelError, naming the layer, for a model that is not streamable.
    """

    def __init__(self, model: Model) -> None:
        self.ops: list[Op] = []
        self.widths: list[Width] = []
        self.sources = model.sources
        self.output, self.kept = len(model.layers) - 1, frozenset[int]()
        self.groups = [Group(len(model.layers))]
        self.input_size, self.output_size = model.input_size, model.output_size
        self.dtype: DType = model.dtype.type
        for index, layer in enumerate(model.layers):
            self.widths.append(self._width_for(layer))
            try:
                self.ops.append(layer.pack(self.widths[-1]))
            except ModelError as error:
                raise ModelError(f"layer {index}: {error}") from None
        self._arrays: list[Array] = []  # keeps alive what the bases point to
        self.bases: dict[str, int] = {}
        for index, (op, width) in enumerate(zip(self.ops, self.widths, strict=True)):
            self.bases[f"kernel {index}"] = address_of(self._kernel_of(op), width)
            self.bases[f"weights {index}"] = self._copy(op.weights)
            self.bases[f"constants {index}"] = self._copy(op.constants)
        self.driver = address_of(self._driver, driver_width(self.dtype))

    tile = TILE_STEPS
    _driver = "kernels.driver.run"

    def _width_for(self, layer: Layer) -> Width:
        return width_for(layer.n_units, layer.input_size + layer.output_size, layer.passes, self.dtype)

    def _kernel_of(self, op: Op) -> str:
        return stream_kernel_of(op)

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights that one step reads."""
        return sum(op.weights.nbytes for op in self.ops)

    @property
    def step_bytes(self) -> int:
        """Bytes that one step reads or writes: weights, inputs and outputs of the ops."""
        return self.weight_bytes + np.dtype(self.dtype).itemsize * sum(op.input_size + op.output_size for op in self.ops)

    @cached_property
    def strides(self) -> list[int]:
        """For each op, values from one state or scratch vector to the next: whole panels, and whole cache lines."""
        strides, line = [], driver_width(self.dtype).lanes
        for op, width in zip(self.ops, self.widths, strict=True):
            units = [op.hidden_size, op.output_size, *(initial.size for initial in op.state.values())]
            longest = max(width.padded(n) for n in units)
            strides.append(-(-longest // line) * line)
        return strides

    def rows_of(self, index: int) -> int:
        """Rows that the op at an index takes for each step of the call."""
        ends = list(accumulate(group.n_ops for group in self.groups))
        return self.groups[bisect_right(ends, index)].rows

    def input_sums_of(self, index: int) -> int:
        """Size, in values, of an op's input sums for a tile of steps; 0 where they are not computed ahead."""
        op, width = self.ops[index], self.widths[index]
        return (
            self.tile * self.rows_of(index) * op.input_sums * width.padded(op.hidden_size)
            if op.input_size >= INPUT_SUMS_FROM
            else 0
        )

    def _copy(self, values: Array) -> int:
        copy = aligned(values.size, values.dtype.type)
        copy[:] = values
        self._arrays.append(copy)
        return int(copy.ctypes.data)


class PoolPlan(Plan):
    """The plan of a model for pools, whose kernels take many streams. A layer without a state has one kernel for both."""

    tile = POOL_TILE
    _driver = "kernels.pool.driver.run"

    def _width_for(self, layer: Layer) -> Width:
        return pool_width_for(layer.n_units, layer.passes, self.dtype)

    def _kernel_of(self, op: Op) -> str:
        return pool_kernel_of(op)


def stream_kernel_of(op: Op) -> str:
    """The path of an op's kernel for one stream (streamrnn/kernels/compile.py)."""
    return f"{op.recipe}/stream" if op.recipe else f"kernels.{op.kernel}"


def pool_kernel_of(op: Op) -> str:
    """The path of an op's kernel for pools."""
    if not op.state:
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
