"""`DevicePlan`: a model packed for the GPU, its weights there, its kernels compiled. Shared by all CUDA pools of the model."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from streamrnn.cuda.device import address_of, current_device, explained, n_multiprocessors, shared_bytes, uploaded
from streamrnn.cuda.kernels import record
from streamrnn.cuda.kernels.device import SIMULATED
from streamrnn.cuda.kernels.parts import NONE, Pass, Tile
from streamrnn.cuda.kernels.recipes import on_device, why_not
from streamrnn.cuda.launch import Kernel, chunk_kernel, gather_kernel, scatter_kernel, softmax_kernel, tick_kernel
from streamrnn.errors import ModelError
from streamrnn.layers import Layer
from streamrnn.model import Model
from streamrnn.plan import cached_per_model
from streamrnn.target.op import Op
from streamrnn.target.packing import Array, DType, Width

#: Kinds of layers that have kernels here.
KINDS = "lstm", "gru", "rnn", "dense"

TILE = Tile(lanes=32, at_once=4, rows=8, depth=32)

#: The simulator makes a thread of Python for each of the GPU's.
SIMULATED_TILE = Tile(lanes=4, at_once=4, rows=2, depth=3)


class DeviceOp:
    """A layer on the device: its weights, its passes, and where its vectors are.

    A stream's row has the states of all layers, from column `state_column` on those of this one; from `scratch_column` on there
    is room for what passes leave to each other.
    """

    def __init__(self, op: Op, tile: Tile, state_column: int, scratch_column: int) -> None:
        assert op.panels is not None
        self.op, self.tile, self.recipe = op, tile, on_device(op.panels.recipe)
        self.n_state = sum(initial.size for initial in op.state.values())
        self.weights = uploaded(op.weights)
        self.constants = uploaded(op.constants if op.constants.size else np.zeros(1, tile.dtype))
        self.state_column = state_column
        self._scratch_column = scratch_column
        self.record = uploaded(self._record(self._columns(), {}))
        self._chunk_records: dict[int, Any] = {}

    @property
    def n_scratch(self) -> int:
        """Values that the passes leave to each other."""
        return sum(self._sizes()[len(self.op.state) :])

    def units(self, one: Pass) -> int:
        """Units of a pass."""
        return self._sizes()[one.writes[0]] if one.writes[0] != NONE else self.op.output_size

    def panels(self, one: Pass) -> int:
        """Panels of a pass."""
        return -(-self.units(one) // self.tile.lanes)

    def chunk_record(self, n_here: int) -> Any:
        """The record for chunks of so many streams to a block."""
        if n_here not in self._chunk_records:
            stride = chunk_stride(n_here)
            inputs = self.op.weights.size
            states = inputs + stride * self.op.input_size
            scratch = states + 2 * stride * self.n_state
            head = {
                record.N_WEIGHTS: self.op.weights.size,
                record.INPUT_PLACE: inputs,
                record.N_STATE: self.n_state,
                record.STATE_COLUMN: self.state_column,
                record.STATE_PLACE: states,
                record.STRIDE: stride,
            }
            # a state vector's place counts from where the states begin, which changes from step to step
            self._chunk_records[n_here] = uploaded(self._record(self._places(0, scratch, stride), head))
        return self._chunk_records[n_here]

    def chunk_bytes(self, n_here: int) -> int:
        """Shared memory of a block with so many streams."""
        per_stream = self.op.input_size + 2 * self.n_state + self.n_scratch
        return int((self.op.weights.size + chunk_stride(n_here) * per_stream) * np.dtype(self.tile.dtype).itemsize)

    def streams_of_chunk(self, n_streams: int) -> int:
        """Streams of a block that takes a chunk: as many as keep all multiprocessors busy; 0 where they do not fit."""
        at_once, most = self.tile.at_once, self.tile.at_once * self.tile.rows
        wanted = min(most, -(-n_streams // n_multiprocessors()))
        for n_here in range(-(-wanted // at_once) * at_once, 0, -at_once):
            if self.chunk_bytes(n_here) <= shared_bytes():
                return n_here
        return 0

    def _sizes(self) -> list[int]:
        """Of all vectors."""
        last = max(vector for one in self.recipe.passes for vector in (*one.reads, *one.writes, one.multiplied))
        states = [initial.size for initial in self.op.state.values()]
        return states + [self.op.hidden_size] * (last + 1 - len(states))

    def _columns(self) -> list[int]:
        return self._places(self.state_column, self._scratch_column, 1)

    def _places(self, states: int, scratch: int, stride: int) -> list[int]:
        """Where the vectors begin: states one behind the other from one place on, the others from another."""
        places, n_states = [], len(self.op.state)
        for vector, size in enumerate(self._sizes()):
            if vector < n_states:
                places.append(states)
                states += stride * size
            else:
                places.append(scratch)
                scratch += stride * size
        return places

    def _record(self, places: list[int], head: Mapping[int, int]) -> Any:
        whole = np.zeros(record.PASSES + record.PASS_FIELDS * len(self.recipe.passes), np.int64)
        for position, value in (dict(head) | {record.N_INPUTS: self.op.input_size}).items():
            whole[position] = value
        weights, options = 0, address_of(self.constants)
        sizes, panels_lanes = [*self._sizes(), 0], self.tile.lanes
        places = [*places, 0]  # of no vector
        for one, fields in zip(self.recipe.passes, whole[record.PASSES :].reshape(-1, record.PASS_FIELDS), strict=True):
            padded = self.panels(one) * panels_lanes
            values = {
                record.UNITS: self.units(one),
                record.PADDED: padded,
                record.N_MULTIPLIED: sizes[one.multiplied],
                record.MULTIPLIED: places[one.multiplied],
                record.FIRST_READ: places[one.reads[0]],
                record.SECOND_READ: places[one.reads[1]],
                record.FIRST_WRITTEN: places[one.writes[0]],
                record.SECOND_WRITTEN: places[one.writes[1]],
                record.WEIGHTS: weights,
                record.OPTIONS: options,
            }
            for position, value in values.items():
                fields[position] = value
            weights += padded * (one.inputs.size(self.op.input_size) + one.recurrent.size(sizes[one.multiplied]))
        assert weights == self.op.weights.size
        return whole


def chunk_stride(n_here: int) -> int:
    """From one value of a vector in shared memory to the next: odd, so that the lanes of a warp use different banks."""
    return n_here | 1


class DevicePlan:
    """One `DeviceOp` per layer. Compiles all kernels.

    Raises ModelError for a layer without a kernel, DeviceError where the device fails.
    """

    def __init__(self, model: Model) -> None:
        self.dtype: DType = model.dtype.type
        self.tile = (SIMULATED_TILE if SIMULATED else TILE)._replace(dtype=self.dtype)
        self.input_size, self.output_size = model.input_size, model.output_size
        with explained("cuda.StreamPool"):
            self.ops = list(self._ops(model.layers))
            self.row_size = max(1, self.n_state + max(op.n_scratch for op in self.ops))
            for kernel, n_bytes in self._kernels():
                kernel.compile(n_bytes)

    def _ops(self, layers: tuple[Layer, ...]) -> Iterator[DeviceOp]:
        packed = [self._op(index, layer) for index, layer in enumerate(layers)]
        states: list[Array] = [initial for op in packed for initial in op.state.values()]
        self.initial: Array = np.concatenate([np.zeros(0, self.dtype), *states])
        column = 0
        for op in packed:
            made = DeviceOp(op, self.tile, column, self.n_state)
            column += made.n_state
            yield made

    def _op(self, index: int, layer: Layer) -> Op:
        where = f"cuda.StreamPool: layer {index} ({layer.kind})"
        elsewhere = "streamrnn.StreamPool runs this model on the CPU, with the same interface"
        op = layer.pack(Width(self.tile.lanes, 1, self.dtype)) if layer.streamable else None
        if op is None or op.panels is None or op.kernel:
            raise ModelError(f"{where} has no kernel for the GPU, which runs {', '.join(KINDS)}; {elsewhere}")
        if reason := why_not(op.panels.recipe):
            raise ModelError(f"{where} has {reason}, for which kernels of the GPU have no room; {elsewhere}")
        return op

    def _kernels(self) -> Iterator[tuple[Kernel, int]]:
        """All that a call may launch, with the shared memory that it may need."""
        yield gather_kernel(self.tile), 0
        yield scatter_kernel(self.tile), 0
        for op in self.ops:
            for one in op.recipe.passes:
                yield tick_kernel(one, self.tile), 0
            if op.n_state and op.streams_of_chunk(1):
                yield chunk_kernel(op.recipe, self.tile), shared_bytes()
            if op.recipe.distribution:
                yield softmax_kernel(self.tile), 0

    @property
    def n_state(self) -> int:
        """Values of a stream's state."""
        return self.initial.size


_plans_of: Any = cached_per_model(lambda model: {})


def device_plan_of(model: Model) -> DevicePlan:
    """The plan of a model for the current device."""
    plans: dict[int, DevicePlan] = _plans_of(model)
    device = current_device()
    if device not in plans:
        plans[device] = DevicePlan(model)
    return plans[device]
