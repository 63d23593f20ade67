"""Tests that need a real GPU: sizes that fill it, shared memory beyond 48 KiB, and arrays of other packages."""

from typing import Any

import numpy as np
import pytest

from streamrnn import InputError, StreamPool
from tests.cuda.devices import needs_hardware
from tests.cuda.test_pool import both, with_int8
from tests.models import model, signal

pytestmark = needs_hardware


@pytest.mark.parametrize("variant", ["lstm", "lstm-projected", "gru-reset-after", "gru-reset-before", "rnn-tanh"])
@pytest.mark.parametrize(("inputs", "hidden"), [(1, 32), (64, 64), (128, 128), (100, 300)])
@pytest.mark.parametrize("stored", ["float32", "int8"])
def test_many_streams_of_large_layers_have_the_bits_of_the_cpu(variant: str, inputs: int, hidden: int, stored: str) -> None:
    whole = model(variant, "dense-softmax", inputs=inputs, hidden=hidden, gain=2)
    ours, cpu, slots = both(with_int8(whole) if stored == "int8" else whole, 1000)
    for _ in range(3):
        some = np.random.default_rng(0).permutation(slots)[:700]
        x = signal(700, inputs)
        assert ours.step(some, x).tobytes() == cpu.step(some, x).tobytes()
    block = signal(1000 * 20, inputs).reshape(1000, 20, inputs)
    assert ours.process(slots, block).tobytes() == cpu.process(slots, block).tobytes()
    assert ours.snapshot() == cpu.snapshot()


class Foreign:
    """An array of another package."""

    def __init__(self, array: Any, shift: int = 0, read_only: bool = False) -> None:
        self._array = array
        interface = array.__cuda_array_interface__
        self.__cuda_array_interface__ = interface | {"data": (interface["data"][0] + shift, read_only)}


def test_an_array_that_is_not_aligned_and_an_output_that_is_read_only_are_refused() -> None:
    from numba import cuda

    ours, _, slots = both(model("lstm"), 5)
    x, y = cuda.to_device(signal(5)), cuda.device_array((6, 9), np.float32)
    before = ours.snapshot()
    with pytest.raises(InputError, match="not aligned"):
        ours.step(slots, x, Foreign(y[:5], shift=1))
    with pytest.raises(InputError, match="read-only"):
        ours.step(slots, x, Foreign(y[:5], read_only=True))
    assert ours.snapshot() == before
    ours.step(slots, Foreign(x, read_only=True))


def test_arrays_of_other_packages_are_taken_as_they_are() -> None:
    from numba import cuda

    ours, cpu, slots = both(model("lstm"), 5)
    x, y = signal(5), cuda.device_array((5, 9), np.float32)
    assert isinstance(cpu, StreamPool)
    ours.step(slots, Foreign(cuda.to_device(x)), Foreign(y))
    assert y.copy_to_host().tobytes() == cpu.step(slots, x).tobytes()


def test_tensors_of_torch_are_taken_as_they_are() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'streamrnn[torch]'")
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    ours, cpu, slots = both(model("gru-reset-after"), 5)
    x = signal(5)
    y = torch.as_tensor(ours.step(slots, torch.from_numpy(x).cuda()), device="cuda")
    assert y.cpu().numpy().tobytes() == cpu.step(slots, x).tobytes()
