"""`DevicePlan`: a model packed for the GPU, its weights there, its kernels compiled. All CUDA pools of a model share it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from streamrnn.cuda.device import address_of, current_device, explained, n_multiprocessors, shared_bytes, uploaded
from streamrnn.cuda.kernels import record
from streamrnn.cuda.kernels.device import SIMULATED
from streamrnn.cuda.kernels.integers import FOUR
from streamrnn.cuda.kernels.parts import NONE, Pass, Tile
from streamrnn.cuda.kernels.recipes import on_device, why_not
from streamrnn.cuda.launch import Kernel, chunk_kernel, gather_kernel, scatter_kernel, softmax_kernel, tick_kernel
from streamrnn.errors import ModelError
from streamrnn.layers import Layer, StateOutput
from streamrnn.model import Model
from streamrnn.plan import cached_per_model
from streamrnn.recipe import X
from streamrnn.target.op import Op
from streamrnn.target.packing import INT8, INT8_BY_FOUR, Array, DType, Width

#: Our kinds of layers that have kernels here; a cell of your own has one too, if `why_not` finds no reason.
KINDS = "lstm", "gru", "rnn", "dense"

TILE = Tile(lanes=32, at_once=4, rows=8, depth=32)

#: The simulator runs each thread of the GPU in Python.
SIMULATED_TILE = Tile(lanes=4, at_once=4, rows=2, depth=3)


class DeviceOp:
    """A layer on the device: its weights, its passes, and the positions of its vectors.

    A stream's row has the states of all layers, those of this layer from `state_column` on. From `scratch_column` on there is
    room for the vectors that one pass leaves for another.
    """

    def __init__(self, op: Op, tile: Tile, state_column: int, scratch_column: int) -> None:
        assert op.panels is not None
        self.op, self.recipe = op, on_device(op.panels.recipe)
        self.tile = tile._replace(integers=bool(op.most_inputs))
        self.n_state = sum(initial.size for initial in op.state.values())
        packed = op.weights.view(tile.dtype)
        self.weights, self._n_weights = uploaded(packed), packed.size
        self.constants = uploaded(op.constants if op.constants.size else np.zeros(1, tile.dtype))
        self.state_column = state_column
        self._scratch_column = scratch_column
        self.record = uploaded(self._record(self._columns(), {}))
        self._chunk_records: dict[int, Any] = {}

    @property
    def n_scratch(self) -> int:
        """Values of the vectors that one pass leaves for another."""
        return sum(self._sizes()[len(self.op.state) :])

    def units(self, one: Pass) -> int:
        """Units of a pass."""
        return self._sizes()[one.writes[0]] if one.writes[0] != NONE else self.op.output_size

    def panels(self, one: Pass) -> int:
        """Panels of a pass."""
        return -(-self.units(one) // self.tile.lanes)

    def chunk_record(self, n_here: int) -> Any:
        """The record for chunks with `n_here` streams in a block."""
        if n_here not in self._chunk_records:
            places, scratch, _ = self._chunk_layout(n_here)
            head = places | {
                record.N_WEIGHTS: self._n_weights,
                record.N_STATE: self.n_state,
                record.STATE_COLUMN: self.state_column,
            }
            # positions of state vectors are relative to the beginning of the states, which changes from step to step
            positions = self._positions(0, scratch, places[record.STRIDE])
            self._chunk_records[n_here] = uploaded(self._record(positions, head))
        return self._chunk_records[n_here]

    def _chunk_layout(self, n_here: int) -> tuple[dict[int, int], int, int]:
        """Where the vectors lie in shared memory: fields of the record, index of what passes leave, numbers in all."""
        stride = chunk_stride(n_here)
        before, at_once = (stride, FOUR) if self.tile.integers else (0, 1)

        def room_for_integers(count: int) -> int:
            return before + stride * -(-count // at_once) * at_once

        inputs = self._n_weights + before
        states = self._n_weights + room_for_integers(self.op.input_size)
        scratch = states + 2 * stride * self.n_state
        integers = scratch + stride * self.n_scratch + before
        most = max(self._size(one.multiplied) for one in self.recipe.passes) if self.tile.integers else 0
        places = {record.INPUT_AT: inputs, record.STATE_AT: states, record.INTEGERS_AT: integers, record.STRIDE: stride}
        return places, scratch, integers - before + room_for_integers(most)

    def chunk_bytes(self, n_here: int) -> int:
        """Bytes of shared memory of a block with `n_here` streams."""
        return self._chunk_layout(n_here)[2] * np.dtype(self.tile.dtype).itemsize

    def streams_of_chunk(self, n_streams: int) -> int:
        """Streams of a block that takes a chunk: so few that all multiprocessors are busy; 0: not even the fewest fit."""
        at_once, most = self.tile.at_once, self.tile.at_once * self.tile.rows
        wanted = min(most, -(-n_streams // n_multiprocessors()))
        for n_here in range(-(-wanted // at_once) * at_once, 0, -at_once):
            if self.chunk_bytes(n_here) <= shared_bytes():
                return n_here
        return 0

    def _sizes(self) -> list[int]:
        """Values of each vector of the layer, in the order of their numbers (`Pass`)."""
        last = max(vector for one in self.recipe.passes for vector in (*one.reads, *one.writes, one.multiplied))
        states = [initial.size for initial in self.op.state.values()]
        return states + [self.op.hidden_size] * (last + 1 - len(states))

    def _size(self, vector: int) -> int:
        """Values of a vector; 0 for NONE."""
        return 0 if vector == NONE else self._sizes()[vector]

    def _columns(self) -> list[int]:
        return self._positions(self.state_column, self._scratch_column, 1)

    def _positions(self, states: int, scratch: int, stride: int) -> list[int]:
        """The positions of the vectors: consecutive states from `states` on, the other vectors from `scratch` on."""
        positions, n_states = [], len(self.op.state)
        for vector, size in enumerate(self._sizes()):
            if vector < n_states:
                positions.append(states)
                states += stride * size
            else:
                positions.append(scratch)
                scratch += stride * size
        return positions

    def _record(self, positions: list[int], head: Mapping[int, int]) -> Any:
        whole = np.zeros(record.PASSES + record.PASS_FIELDS * len(self.recipe.passes), np.int64)
        known = {record.N_INPUTS: self.op.input_size, record.MOST_INPUT: self.op.most_inputs.get(X, 0)}
        for position, value in (dict(head) | known).items():
            whole[position] = value
        for index, fields in enumerate(whole[record.PASSES :].reshape(-1, record.PASS_FIELDS)):
            for position, value in (self._fields(index, [*positions, 0]) | self._sections(index)).items():
                fields[position] = value
        return whole

    def _fields(self, index: int, positions: list[int]) -> dict[int, int]:
        """The fields of a pass about its vectors; the last position is that of NONE, which is -1."""
        one = self.recipe.passes[index]
        return {
            record.UNITS: self.units(one),
            record.PADDED: self.panels(one) * self.tile.lanes,
            record.N_MULTIPLIED: self._size(one.multiplied),
            record.MULTIPLIED: positions[one.multiplied],
            record.FIRST_READ: positions[one.reads[0]],
            record.SECOND_READ: positions[one.reads[1]],
            record.FIRST_WRITTEN: positions[one.writes[0]],
            record.SECOND_WRITTEN: positions[one.writes[1]],
            record.OPTIONS: address_of(self.constants),
        }

    def _sections(self, index: int) -> dict[int, int]:
        """The fields of a pass about its weights."""
        assert self.op.panels is not None
        itemsize, fields = np.dtype(self.tile.dtype).itemsize, {}
        for one in self.op.panels.sections[index]:
            is_input = one.section.vector == X
            fields[record.INPUT_WEIGHTS if is_input else record.RECURRENT_WEIGHTS] = one.offset // itemsize
            fields[record.INPUT_PANEL if is_input else record.RECURRENT_PANEL] = one.panel_bytes // itemsize
            if not is_input:
                fields[record.MOST_MULTIPLIED] = self.op.most_inputs.get(one.section.vector, 0)
        return fields


def chunk_stride(n_here: int) -> int:
    """From one value of a vector in shared memory to the next: odd, so that the lanes of a warp use different banks."""
    return n_here | 1


class DevicePlan:
    """A model on the device: one `DeviceOp` per layer. Compiles all kernels.

    Raises ModelError, naming the layer, for one that has no kernel for the GPU; DeviceError where the device fails.
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
        remedy = "streamrnn.StreamPool runs this model on the CPU, with the same interface"
        stored = INT8_BY_FOUR if layer.stored == INT8 else None  # 16 bits are unpacked
        op = layer.pack(Width(self.tile.lanes, 1, self.dtype, stored=stored)) if layer.streamable else None
        if op is None or op.panels is None or op.kernel or isinstance(layer, StateOutput):
            raise ModelError(f"{where} has no kernel for the GPU, which runs {', '.join(KINDS)} and own cells; {remedy}")
        if reason := why_not(op.panels.recipe):
            raise ModelError(f"{where} has {reason}, for which the kernels of the GPU have no room; {remedy}")
        return op

    def _kernels(self) -> Iterator[tuple[Kernel, int]]:
        """All kernels that a call may launch, with the bytes of dynamic shared memory that they may need."""
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
