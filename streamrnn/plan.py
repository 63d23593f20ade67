"""`Plan`: a model packed for this CPU, with the addresses of its compiled kernels. Shared by all streams of the model."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from streamrnn.code_cache import address_of
from streamrnn.errors import ModelError
from streamrnn.layers import Layer
from streamrnn.model import Model
from streamrnn.target.cpu import driver_width, pool_width_for, width_for
from streamrnn.target.packing import Array, DType, Op, Width
from streamrnn.target.record import (
    CONSTANTS,
    HIDDEN,
    INPUT_SLOT,
    INPUTS,
    KERNEL,
    N_READS,
    OUTPUT_SLOT,
    OUTPUTS,
    PANELS,
    POOL_TILE,
    SOURCE,
    STRIDE,
    TARGET,
    WEIGHTS,
)

#: Steps of a chunk that pass through one layer before the next: few enough that what lies between them stays in the cache.
TILE_STEPS = 24

CACHE_LINE = 64  # bytes

#: Inputs from which the sums of a chunk's inputs are made ahead, several steps at once (benchmarks/tune.py).
READY_FROM = 8


def aligned(values: int, dtype: DType) -> Array:
    """Zeros, shape (values,), that begin on a cache line."""
    n_bytes = values * np.dtype(dtype).itemsize
    raw = np.zeros(n_bytes + CACHE_LINE, np.uint8)
    begin = -raw.ctypes.data % CACHE_LINE
    return raw[begin : begin + n_bytes].view(dtype)


class Plan:
    """One op per layer, packed, and the machine code to run them. Compiles what is not compiled yet.

    Raises ModelError for a model that is not streamable, naming the layer.
    """

    def __init__(self, model: Model) -> None:
        self.ops: list[Op] = []
        self.widths: list[Width] = []
        self.kernels: list[int] = []
        self.sources = model.sources
        self.input_size, self.output_size = model.input_size, model.output_size
        self.dtype: DType = model.dtype.type
        self._kept: list[Array] = []  # what the addresses below point to
        for index, layer in enumerate(model.layers):
            self.widths.append(self._width_for(layer))
            try:
                self.ops.append(layer.pack(self.widths[-1]))
            except ModelError as error:
                raise ModelError(f"layer {index}: {error}") from None
        for op, width in zip(self.ops, self.widths, strict=True):
            self.kernels.append(address_of(self._kernel_of(op), width))
        self.weights = [self._copy(op.weights) for op in self.ops]
        self.constants = [self._copy(op.constants) for op in self.ops]
        self.driver = address_of(self._driver, driver_width(self.dtype))

    tile = TILE_STEPS
    _driver = "kernels.driver.run"

    def _width_for(self, layer: Layer) -> Width:
        return width_for(layer.n_units, layer.input_size + layer.output_size, layer.passes, self.dtype)

    def _kernel_of(self, op: Op) -> str:
        return f"kernels.{op.kernel}"

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

    @cached_property
    def ready_sizes(self) -> list[int]:
        """Values of room that each op needs for the input sums of a tile of steps; 0 where they are not made ahead."""
        return [
            self.tile * op.gates * width.padded(op.hidden_size) if op.weights.size and op.input_size >= READY_FROM else 0
            for op, width in zip(self.ops, self.widths, strict=True)
        ]

    def _copy(self, values: Array) -> int:
        kept = aligned(values.size, self.dtype)
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
        return f"kernels.pool.{op.kernel}" if op.state else f"kernels.{op.kernel}"


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


def _slot(place: int) -> int:
    """The slot of a place that a layer reads: -1, the input, or a layer's number."""
    return INPUT_SLOT if place == -1 else OUTPUT_SLOT + 1 + place


def places_read(plan: Plan, slots: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """For each op the (address of the slot, values per step) of the places that it reads."""
    sizes = [plan.input_size, *(op.output_size for op in plan.ops)]
    for reads in plan.sources:
        yield np.array([(slots.ctypes.data + 8 * _slot(place), sizes[1 + place]) for place in reads], np.int64)


def fill_record(record: NDArray[np.int64], plan: Plan, index: int, memory: Mapping[int, int]) -> None:
    """Write the record of a plan's op: what the plan knows, and the addresses in the memory of a stream or pool."""
    op, last = plan.ops[index], index == len(plan.ops) - 1
    known = {
        KERNEL: plan.kernels[index],
        SOURCE: _slot(plan.sources[index][0]),
        TARGET: OUTPUT_SLOT if last else _slot(index),
        INPUTS: op.input_size,
        OUTPUTS: op.output_size,
        HIDDEN: op.hidden_size,
        PANELS: plan.widths[index].panels(op.hidden_size),
        WEIGHTS: plan.weights[index],
        STRIDE: plan.strides[index] * np.dtype(plan.dtype).itemsize,
        CONSTANTS: plan.constants[index],
        N_READS: len(plan.sources[index]),
    }
    for position, value in (known | dict(memory)).items():
        record[position] = value
