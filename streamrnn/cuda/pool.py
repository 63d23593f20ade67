"""`StreamPool` for the GPU."""

from typing import Any

from streamrnn.cuda.device import check_device
from streamrnn.cuda.door import DeviceDoor, host_slots
from streamrnn.cuda.memory import DeviceMemory
from streamrnn.cuda.plan import device_plan_of
from streamrnn.model import Model
from streamrnn.pool import StreamPool as CpuStreamPool
from streamrnn.states.store import StateStore


class StreamPool(CpuStreamPool):
    """A model and the states of many signals, on the current CUDA device: the interface and the bits of `streamrnn.StreamPool`.

    Weights and states stay on the device. Inputs and outputs are NumPy arrays, or whatever has `__cuda_array_interface__` (of
    CuPy, torch, Numba), in C order and of the model's dtype; inputs on the device give results on the device. A snapshot of a
    stream goes into a `Stream` or a pool of the CPU, and back.

    Models of LSTM, GRU, RNN and dense layers, float32 or float64. Raises ModelError for other kinds, DeviceError where there
    is no device, or it fails.
    """

    def __init__(self, model: Model, capacity: int = 64, store: StateStore | None = None) -> None:
        super().__init__(model, capacity, store)

    def _make(self, capacity: int, threads: int) -> tuple[DeviceMemory, DeviceDoor]:
        check_device()
        memory = DeviceMemory(device_plan_of(self.model), capacity)
        return memory, DeviceDoor(memory)

    def step(self, slots: Any, X: Any, out: Any = None) -> Any:
        """Advance some streams by one step, as `streamrnn.StreamPool.step` does.

        slots    (n,) whole numbers, of the host or the device
        X        (n, input_size)
        out      (n, output_size), of the host or the device, to write the result to; None: an array of its own
        returns  (n, output_size), where X is; or `out`
        """
        return super().step(host_slots("step", slots), X, out)

    def process(self, slots: Any, X: Any) -> Any:
        """Advance some streams by many steps, as `streamrnn.StreamPool.process` does; Ctrl-C is answered at the end.

        slots    (n,) whole numbers, of the host or the device
        X        (n, n_steps, input_size)
        returns  (n, n_steps, output_size), where X is
        """
        return super().process(host_slots("process", slots), X)
