"""`Kernel`: a function that runs on the device, compiled for one signature; and the kernels for the passes of layers."""

import warnings
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import numpy as np
from numba import cuda
from numba.cuda import types
from numba.cuda.np.numpy_support import from_dtype

from streamrnn.cuda.kernels import chunk, copies, softmax, tick
from streamrnn.cuda.kernels.device import SIMULATED
from streamrnn.cuda.kernels.parts import DeviceRecipe, Pass, Tile
from streamrnn.target.packing import DType

Dimensions = tuple[int, int]

#: Launch configurations that a kernel keeps, at most.
_MOST_LAUNCHES = 256


class Kernel:
    """A function of numbers and of arrays on the device.

    function   the Python function that Numba compiles
    arguments  the types of its arguments
    """

    def __init__(self, function: Callable[..., None], *arguments: Any) -> None:
        self.function = function
        self.signature = types.void(*arguments)
        self._launches: dict[tuple[Dimensions, Dimensions, int], Any] = {}

    @cached_property
    def _compiled(self) -> Any:
        return cuda.jit(self.function) if SIMULATED else cuda.jit(self.signature)(self.function)

    def compile(self, shared_bytes: int = 0) -> None:
        """Compile it now, for blocks of threads with up to so many bytes of dynamic shared memory."""
        compiled = self._compiled
        if shared_bytes and not SIMULATED:
            _allow_shared(compiled, shared_bytes)

    def __call__(self, grid: Dimensions, block: Dimensions, *arguments: Any, shared_bytes: int = 0) -> None:
        """Launch it, for a grid of blocks of threads. Raises what the driver raises."""
        configuration = grid, block, shared_bytes
        launch = self._launches.get(configuration)
        if launch is None:
            with warnings.catch_warnings():  # Numba warns of small grids, but few streams are no mistake
                warnings.simplefilter("ignore")
                launch = self._compiled[grid, block, 0, shared_bytes]
            if not SIMULATED:  # a kernel of the simulator keeps the last configuration only
                if len(self._launches) >= _MOST_LAUNCHES:
                    self._launches.clear()
                self._launches[configuration] = launch
        launch(*arguments)


def _allow_shared(compiled: Any, n_bytes: int) -> None:
    """Allow the blocks of a kernel more shared memory than the driver gives them by default."""
    from numba.cuda.cudadrv.driver import binding, driver

    attribute = binding.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    for kernel in compiled.overloads.values():
        function = kernel.library.get_cufunc()
        driver.cuKernelSetAttribute(attribute, n_bytes, function.handle, function.device.id)


_INT = types.int64
_INTS = types.int64[::1]


def _numbers(dtype: DType, dimensions: int) -> Any:
    return types.Array(from_dtype(np.dtype(dtype)), dimensions, "C")


@cache
def gather_kernel(tile: Tile) -> Kernel:
    """`copies.gather`."""
    rows = _numbers(tile.dtype, 2)
    return Kernel(copies.gather, rows, rows, _INTS, _INT, _INT, rows, _INT)


@cache
def scatter_kernel(tile: Tile) -> Kernel:
    """`copies.scatter`."""
    rows = _numbers(tile.dtype, 2)
    return Kernel(copies.scatter, rows, rows, _INTS, _INT, _INT)


@cache
def tick_kernel(one: Pass, tile: Tile) -> Kernel:
    """`tick.tick`."""
    rows, weights = _numbers(tile.dtype, 2), _numbers(tile.dtype, 1)
    arguments = rows, _INT, _INT, rows, rows, rows, _INT, _INT, weights, _INTS, _INT, _INT, _INTS
    return Kernel(tick.tick(one, tile), *arguments)


@cache
def chunk_kernel(recipe: DeviceRecipe, tile: Tile) -> Kernel:
    """`chunk.chunk`."""
    rows, weights = _numbers(tile.dtype, 2), _numbers(tile.dtype, 1)
    arguments = rows, rows, rows, rows, _INT, weights, _INTS, _INT, _INT, _INTS
    return Kernel(chunk.chunk(recipe, tile), *arguments)


@cache
def softmax_kernel(tile: Tile) -> Kernel:
    """`softmax.softmax`."""
    return Kernel(softmax.softmax(tile.dtype), _numbers(tile.dtype, 2), _INT, _INT, _INT, _INT)
