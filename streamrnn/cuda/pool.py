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
    """Many streams of one model on the current CUDA device, with the interface and the bits of `streamrnn.StreamPool`.

    Weights and states stay on the device. Inputs and outputs are NumPy arrays, or arrays with `__cuda_array_interface__` (CuPy,
    torch, Numba) in C order and of the model's dtype. Inputs on the device give results on the device. A snapshot can be
    restored in a `Stream` or a pool of the CPU, and the other way round.

    It runs models of LSTM, GRU, RNN and dense layers, and of cells of your own that fit, in float32 or float64. Raises
    ModelError for another layer, DeviceError where there is no device, or it fails.
    """

    def __init__(self, model: Model, capacity: int = 64, store: StateStore | None = None) -> None:
        super().__init__(model, capacity, store)

    def _make(self, capacity: int, threads: int) -> tuple[DeviceMemory, DeviceDoor]:
        check_device()
        memory = DeviceMemory(device_plan_of(self.model), capacity)
        return memory, DeviceDoor(memory)

    def step(self, slots: Any, X: Any, out: Any = None) -> Any:
        """Advance some streams by one step, as `streamrnn.StreamPool.step` does.

        slots    (n,) whole numbers, on the host or the device
        X        (n, input_size)
        out      (n, output_size), on the host or the device, for the result; None: a new array
        returns  `out`, or a new array, (n, output_size), on the host or the device as X
        """
        return super().step(host_slots("step", slots), X, out)

    def process(self, slots: Any, X: Any) -> Any:
        """Advance some streams by many steps, as `streamrnn.StreamPool.process` does. Ctrl-C takes effect at the end.

        slots    (n,) whole numbers, on the host or the device
        X        (n, n_steps, input_size)
        returns  (n, n_steps, output_size), on the host or the device as X
        """
        return super().process(host_slots("process", slots), X)
