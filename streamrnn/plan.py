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

#: Steps of a chunk that pass through one layer before the next: few enough that what lies between them stays in the cache.
TILE_STEPS = 24

#: Inputs from which the sums of a chunk's inputs are made ahead, several steps at once (benchmarks/tune.py).
INPUT_SUMS_FROM = 8


class Group(NamedTuple):
    """Ops that a driver takes through the rows of a tile one after the other.

    n_ops     how many
    together  all ops take a row before any takes the next, so that an op may read what a later one gave for the row before
    rows      that they take for each step of the call
    """

    n_ops: int
    together: bool = False
    rows: int = 1


class Plan:
    """One op per layer, packed, and the machine code to run them. Compiles what is not compiled yet.

    sources  of each op: the numbers of the ops that it reads, -1 for the input of the call
    output   the op that gives the output of the call
    kept     ops of whose output the last row is a state: who comes before them reads that of the step before
    groups   of ops, in order
    bases    where its weights, constants and kernels are, by region (streamrnn/memory_layout.py)

    Raises ModelError for a model that is not streamable, naming the layer.
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
        self._kept: list[Array] = []  # what the bases point to
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
        """Bytes that one step moves, weights and values."""
        return self.weight_bytes + np.dtype(self.dtype).itemsize * sum(op.input_size + op.output_size for op in self.ops)

    @cached_property
    def strides(self) -> list[int]:
        """Values from one state or scratch vector of an op to the next: whole panels, and whole cache lines."""
        strides, line = [], driver_width(self.dtype).lanes
        for op, width in zip(self.ops, self.widths, strict=True):
            units = [op.hidden_size, op.output_size, *(initial.size for initial in op.state.values())]
            longest = max(width.padded(n) for n in units)
            strides.append(-(-longest // line) * line)
        return strides

    def rows_of(self, index: int) -> int:
        """Rows that an op takes for each step of the call."""
        ends = list(accumulate(group.n_ops for group in self.groups))
        return self.groups[bisect_right(ends, index)].rows

    def input_sums_of(self, index: int) -> int:
        """Values of room that an op needs for the input sums of a tile of steps; 0 where they are not made ahead."""
        op, width = self.ops[index], self.widths[index]
        return (
            self.tile * self.rows_of(index) * op.input_sums * width.padded(op.hidden_size)
            if op.input_size >= INPUT_SUMS_FROM
            else 0
        )

    def _copy(self, values: Array) -> int:
        kept = aligned(values.size, values.dtype.type)
        kept[:] = values
        self._kept.append(kept)
        return int(kept.ctypes.data)


class PoolPlan(Plan):
    """The same for a pool, whose kernels take many streams at once; kinds without a state have one kernel for both."""

    tile = POOL_TILE
    _driver = "kernels.pool.driver.run"

    def _width_for(self, layer: Layer) -> Width:
        return pool_width_for(layer.n_units, layer.passes, self.dtype)

    def _kernel_of(self, op: Op) -> str:
        return pool_kernel_of(op)


def stream_kernel_of(op: Op) -> str:
    """The path of an op's kernel (streamrnn/kernels/compile.py)."""
    return f"{op.recipe}/stream" if op.recipe else f"kernels.{op.kernel}"


def pool_kernel_of(op: Op) -> str:
    """The path of its kernel in pools."""
    if not op.state:
        return stream_kernel_of(op)
    return f"{op.recipe}/pool" if op.recipe else f"kernels.pool.{op.kernel}"


Made = TypeVar("Made")


def cached_per_model(make: Callable[[Model], Made]) -> Callable[[Model], Made]:
    """What `make` makes of a model, made once and kept as long as the model."""
    kept: WeakKeyDictionary[Model, Made] = WeakKeyDictionary()

    def of(model: Model) -> Made:
        made = kept.get(model)
        if made is None:
            made = kept.setdefault(model, make(model))
        return made

    return of


#: The plan of a model.
plan_of = cached_per_model(Plan)
#: The plan of a model's pools.
pool_plan_of = cached_per_model(PoolPlan)
