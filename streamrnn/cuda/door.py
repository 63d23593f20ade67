"""The door of a CUDA pool: it checks arrays on the host or on the device, and runs the plan."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.cuda.device import address_of, are_apart, explained, is_on_device, is_read_only, room_for, uploaded, view_of
from streamrnn.cuda.kernels.record import INPUT_STATUS, STATUS, STREAMS
from streamrnn.cuda.memory import DeviceMemory
from streamrnn.door.arguments import check_out, kernel_array, real_array
from streamrnn.door.entry_lock import EntryLock, entry_lock
from streamrnn.errors import InputError
from streamrnn.pool.call_errors import inputs_changed, non_finite_input, refuse, state_overflow
from streamrnn.pool.protocols import no_preparation
from streamrnn.pool.slot_arguments import Slots, as_slots, check_open
from streamrnn.target.packing import Array
from streamrnn.target.record import DONE, OPEN


class DeviceDoor:
    """The way into the memory of a CUDA pool, for one caller at a time (streamrnn/pool/protocols.py)."""

    def __init__(self, memory: DeviceMemory) -> None:
        self._memory = memory
        self._dtype = np.dtype(memory.plan.dtype)
        self._n_inputs, self._n_outputs = memory.plan.input_size, memory.plan.output_size
        self.before_use: Callable[[Slots], None] = no_preparation
        self.entry_lock: EntryLock = entry_lock(refuse)

    def step(self, slots: Any, X: Any, out: Any = None) -> Any:
        """One step, as `cuda.StreamPool.step` describes it."""
        slots = as_slots("step", slots)
        x = self._given("step", X, (len(slots), self._n_inputs))
        if out is not None and not is_on_device(out):
            check_out(out, (len(slots), self._n_outputs), self._dtype, c_order=True)
        elif out is not None and is_read_only(out):
            raise InputError("step: out on the device is read-only")
        target = self._given("step", out, (len(slots), self._n_outputs), "out") if is_on_device(out) else out
        y = self._run("step", slots, x, 1, target)
        return y if out is None else out

    def process(self, slots: Any, X: Any) -> Any:
        """Many steps, as `cuda.StreamPool.process` describes it."""
        slots = as_slots("process", slots)
        with explained("process"):
            given = view_of(X) if is_on_device(X) else real_array("process", X)
        n_steps = given.shape[1] if len(given.shape) == 3 else "n_steps"
        x = self._given("process", given, (len(slots), n_steps, self._n_inputs))
        return self._run("process", slots, x, x.shape[1], None)

    def _given(self, call: str, value: Any, shape: tuple[int | str, ...], name: str = "the array") -> Any:
        """An argument, checked. On the device it is used as it is; on the host it may be anything that converts to an array."""
        if not is_on_device(value):
            return kernel_array(call, value, shape, self._dtype)
        with explained(call):
            array = view_of(value)
        if array.dtype != self._dtype:
            raise InputError(f"{call}: {name} on the device is {array.dtype}, the model {self._dtype}; convert it there")
        if tuple(array.shape) != shape:
            wanted = ", ".join(map(str, shape))
            raise InputError(f"{call}: shape {tuple(array.shape)} does not fit, expected ({wanted})")
        if not array.is_c_contiguous() or address_of(array) % self._dtype.itemsize:
            raise InputError(f"{call}: {name} on the device is not in C order, or not aligned; copy it on the device")
        return array

    def _run(self, call: str, slots: Slots, x: Any, n_steps: int, out: Any) -> Any:
        """Advance the streams; returns out. x and out are (n, n_steps, any), or (n, any). out None: a new array, where x is."""
        n, shape = len(slots), (*x.shape[:-1], self._n_outputs)
        with self.entry_lock:
            self._check_all_open(call, slots)
            self.before_use(slots)
            if not n or not n_steps:
                return out if out is not None else self._nothing(shape, is_on_device(x))
            try:
                with self._memory.in_use(call):
                    x_device = x if is_on_device(x) else uploaded(x)
                    direct = is_on_device(out) and are_apart(out, x_device)
                    y = out if direct else room_for(shape, self._dtype)
                    if out is None:
                        out = y if is_on_device(x) else np.empty(shape, self._dtype)

                    def deliver() -> None:
                        if not is_on_device(out):
                            y.copy_to_host(out)
                        elif out is not y:
                            out.copy_to_device(y)

                    flat = x_device.reshape(n * n_steps, self._n_inputs), y.reshape(n * n_steps, self._n_outputs)
                    status = self._memory.advance(slots, *flat, n_steps, deliver)
            except MemoryError:
                raise InputError(
                    f"{call}: {n} streams, {n_steps} steps each, do not fit into the device's memory; pass fewer at once"
                ) from None
        self._raise_for(status, call, slots, x)
        return out

    def _nothing(self, shape: tuple[int, ...], on_device: bool) -> Any:
        """The empty result of no steps, or of no streams."""
        return room_for(shape, self._dtype) if on_device else np.zeros(shape, self._dtype)

    def _check_all_open(self, call: str, slots: Slots) -> None:
        """As `check_open`, but faster for many slots."""
        marks = self._memory.room.marks
        if len(slots) and not (slots.min() >= 0 and slots.max() < len(marks)):
            check_open(call, slots, marks)
        seen = np.zeros(len(marks), bool)
        seen[slots] = True
        if np.count_nonzero(seen) != len(slots) or not (marks[slots] == OPEN).all():
            check_open(call, slots, marks)

    def _raise_for(self, status: NDArray[np.int64], call: str, slots: Slots, x: Any) -> None:
        """Raise the error that the kernels noted in the status block, if any."""
        if status[INPUT_STATUS] != DONE:
            with explained(call):
                values = _on_host(x)
            indices = np.argwhere(~np.isfinite(values))
            if not len(indices):
                raise inputs_changed(call)
            index = [int(number) for number in indices[0]]
            raise non_finite_input(index, values[tuple(index)], slots[index[0]])
        if status[STATUS] != DONE:
            wrong = status[STREAMS : STREAMS + len(slots)] != DONE
            raise state_overflow([int(slot) for slot in slots[wrong]], self._dtype)


def host_slots(call: str, slots: Any) -> Any:
    """Slots as a caller passes them; those on the device are copied to the host."""
    with explained(call):
        return _on_host(view_of(slots)) if is_on_device(slots) else slots


def _on_host(array: Any) -> Array:
    return array if isinstance(array, np.ndarray) else np.asarray(array.copy_to_host())
