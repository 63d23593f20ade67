"""The CUDA device: its memory, its limits, and the errors of its driver as our errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba import cuda
from numba.cuda.cudadrv import error as numba_errors
from numpy.typing import NDArray

from streamrnn.cuda.kernels.device import SIMULATED
from streamrnn.errors import DeviceError, InputError

#: Bytes of shared memory that a block has on every device. The simulator gives as much.
_LEAST_SHARED = 48 << 10

#: Bytes of shared memory that a compiled kernel may use for itself.
_RESERVED = 1 << 10


def _failures() -> tuple[type[Exception], ...]:
    """The exceptions of a driver that fails."""
    names = "CudaDriverError", "CudaSupportError", "NvvmSupportError", "NvrtcSupportError"
    failures = [getattr(numba_errors, name) for name in names if hasattr(numba_errors, name)]
    try:
        from cuda.core._utils.cuda_utils import CUDAError
    except ImportError:
        return tuple(failures)
    return *failures, CUDAError


_FAILURES = _failures()


@contextmanager
def explained(call: str) -> Iterator[None]:
    """Turn exceptions of the driver into MemoryError, where the device is full, or DeviceError, where it fails otherwise."""
    try:
        yield
    except _FAILURES as error:
        if "OUT_OF_MEMORY" in str(error):
            raise MemoryError(str(error)) from error
        raise DeviceError(
            f"{call}: the CUDA device failed ({' '.join(str(error).split())}); this process cannot use it any more: start a "
            "new process, and restore the streams from snapshots"
        ) from error


def check_device() -> None:
    """Raise DeviceError if there is no CUDA device."""
    if not cuda.is_available():
        reason = " ".join(str(cuda.cuda_error() or "no device was found").split())
        raise DeviceError(
            f"streamrnn.cuda: no CUDA device can be used ({reason}); install NVIDIA's driver, or use streamrnn.StreamPool, "
            "which computes the same bits on the CPU"
        )


def shared_bytes() -> int:
    """Bytes of shared memory that a block of threads may use."""
    return _LEAST_SHARED if SIMULATED else int(cuda.get_current_device().MAX_SHARED_MEMORY_PER_BLOCK_OPTIN) - _RESERVED


def n_multiprocessors() -> int:
    """How many blocks of threads the device can run at once, at least."""
    return 2 if SIMULATED else int(cuda.get_current_device().MULTIPROCESSOR_COUNT)


def is_on_device(value: Any) -> bool:
    """Whether a value is an array on the device. Raises InputError where it hides its memory (torch, with gradients)."""
    try:
        return hasattr(value, "__cuda_array_interface__") or bool(cuda.devicearray.is_cuda_ndarray(value))
    except Exception as error:  # of the caller's object
        raise InputError(f"an array of {type(value).__module__} gives no access to its memory ({error})") from error


def view_of(value: Any) -> Any:
    """An array on the device as a Numba array of the same memory. Raises InputError where Numba cannot take it."""
    if cuda.devicearray.is_cuda_ndarray(value) and hasattr(value, "is_c_contiguous"):  # not one of managed memory
        return value
    try:
        return cuda.as_cuda_array(value)
    except _FAILURES:
        raise
    except Exception as error:  # of the caller's object, or of Numba about it
        raise InputError(f"an array of {type(value).__module__} on the device cannot be used ({error})") from error


def uploaded(values: NDArray[Any]) -> Any:
    """A copy on the device."""
    contiguous = np.ascontiguousarray(values)
    # NumPy leaves any stride to an axis of one, Numba does not
    return cuda.to_device(contiguous.reshape(-1).reshape(contiguous.shape))


def room_for(shape: tuple[int, ...], dtype: Any) -> Any:
    """A new array on the device, not initialized."""
    return cuda.device_array(shape, dtype)


def is_read_only(value: Any) -> bool:
    """Whether an array on the device says that it is read-only."""
    interface = getattr(value, "__cuda_array_interface__", None)
    return interface is not None and bool(interface["data"][1])


def are_apart(one: Any, other: Any) -> bool:
    """Whether two arrays on the device share no byte."""
    begin, begin_other = address_of(one), address_of(other)
    n_bytes, n_bytes_other = int(one.size * one.dtype.itemsize), int(other.size * other.dtype.itemsize)
    return begin + n_bytes <= begin_other or begin_other + n_bytes_other <= begin


def current_device() -> int:
    """The number of this thread's current device."""
    return 0 if SIMULATED else int(cuda.get_current_device().id)


def address_of(array: Any) -> int:
    """The address of an array on the device."""
    return int(array.ctypes.data if SIMULATED else array.__cuda_array_interface__["data"][0])
