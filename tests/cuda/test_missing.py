"""The errors where numba-cuda is not installed, or there is no device."""

import importlib.util
import sys
from typing import Any

import pytest

from streamrnn import DeviceError, MissingExtraError
from tests.cuda.devices import SIMULATED, needs_numba_cuda
from tests.models import model


def test_a_missing_extra_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "numba_cuda" else find(name, *rest))
    monkeypatch.delitem(sys.modules, "streamrnn.cuda", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'streamrnn\[cuda\]'"):
        importlib.import_module("streamrnn.cuda")


@needs_numba_cuda
@pytest.mark.skipif(SIMULATED, reason="the simulator is always there")
def test_a_missing_device_is_an_error_with_a_way_out() -> None:
    from numba import cuda as numba_cuda

    from streamrnn import cuda

    if numba_cuda.is_available():
        pytest.skip("there is a device")
    with pytest.raises(DeviceError, match=r"no CUDA device can be used .*use streamrnn\.StreamPool"):
        cuda.StreamPool(model("lstm"))


@needs_numba_cuda
def test_an_array_that_hides_its_memory_is_refused_and_a_failing_driver_explained() -> None:
    from numba.cuda.cudadrv import error as numba_errors

    from streamrnn import InputError
    from streamrnn.cuda import device

    class Hiding:
        @property
        def __cuda_array_interface__(self) -> Any:
            raise RuntimeError("call detach() first")

    with pytest.raises(InputError, match=r"call detach\(\) first"):
        device.is_on_device(Hiding())
    for message, expected in ("[700] illegal address", DeviceError), ("[2] CUDA_ERROR_OUT_OF_MEMORY", MemoryError):
        with pytest.raises(expected, match=message[:4].replace("[", r"\[")), device.explained("step"):
            raise numba_errors.CudaSupportError(message)


@pytest.mark.skipif(SIMULATED, reason="the simulator measures nothing")
def test_the_benchmark_says_what_is_missing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import on_cuda

    if on_cuda.why_not() is None:
        pytest.skip("there is a device")
    monkeypatch.setattr(sys, "argv", ["on_cuda"])
    with pytest.raises(SystemExit, match="nothing is measured: "):
        on_cuda.main()
