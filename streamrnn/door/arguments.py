"""A caller's arrays: converted to what a model takes, or refused with a reason."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn.boundary import refusing
from streamrnn.errors import InputError, NonFiniteInputError
from streamrnn.target.packing import Array


def real_array(call: str, value: ArrayLike) -> NDArray[Any]:
    """`value` as an array of real numbers, of any dtype and shape. Raises InputError for anything else."""
    with refusing(InputError, f"{call}: not an array of numbers"):
        if has_masked(value):
            raise InputError(f"{call}: the array has masked values; fill or drop them first")
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"dtype {array.dtype} is not a real number")
    return array


def input_of(call: str, x: ArrayLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """`x`, the input of a step, as an array of a shape; rows of one value may be numbers. Raises InputError for another one."""
    array = real_array(call, x)
    if array.shape != shape and not (shape[-1] == 1 and array.shape == shape[:-1]):
        raise InputError(f"{call}: shape {array.shape} does not fit, expected {shape}; process takes many steps at once")
    return array.reshape(shape)


def inputs_of(call: str, inputs: Mapping[Any, ArrayLike], shape: tuple[int, ...]) -> NDArray[Any]:
    """`input_of` each of the inputs of some keys, in one array of shape (n, *shape).

    Raises InputError, naming the key, for another shape or type.
    """
    xs = inputs.values()
    if set(map(type, xs)) <= {np.ndarray, list, tuple, float, int}:
        with suppress(Exception):  # different lengths: the loop below says which one is wrong
            array = np.array(list(xs))
            shapes = {(len(xs), *shape), (len(xs), *shape[:-1]) if shape[-1] == 1 else None}
            if array.dtype.kind in "fiub" and array.shape in shapes:
                return array.reshape(len(xs), *shape)
    rows = [input_of(f"{call}: key {key!r}", x, shape) for key, x in inputs.items()]
    return np.stack(rows) if rows else np.zeros((0, *shape))


def block_of(call: str, block: ArrayLike, size: int, stride: int = 1) -> NDArray[Any]:
    """`block` as an array of shape (n_steps * stride, size). Raises InputError for another shape or type."""
    array = real_array(call, block)
    if array.ndim != 2 or array.shape[1] != size:
        n_rows = "n_steps" if stride == 1 else f"n_steps * {stride}"
        raise InputError(f"{call}: shape {array.shape} does not fit, expected ({n_rows}, {size})")
    check_whole_steps(call, len(array), stride)
    return array


def check_whole_steps(call: str, n_rows: int, stride: int) -> None:
    """Raise InputError unless so many rows are whole steps of `stride` rows."""
    if left := n_rows % stride:
        raise InputError(
            f"{call}: {n_rows} rows are no whole number of steps, each of which takes {stride} rows; keep the last {left} for "
            "the next call"
        )


def state_values(states: Any, sizes: Sequence[Mapping[str, int]], dtype: np.dtype[Any]) -> Array:
    """What `Stream.set_states` takes, as the values of all state vectors, one after the other, in the model's dtype.

    sizes  for each layer, the sizes of its state vectors, by name

    Raises InputError for other layers, names or shapes, NonFiniteInputError for a state that is not finite in this dtype.
    """
    call = "set_states"
    with refusing(InputError, f"{call}: not what Stream.states gives, a sequence with a dict of arrays for each layer"):
        if not isinstance(states, Sequence):
            raise TypeError(f"it is of type {type(states).__name__}")
        given = [dict(of_layer) for of_layer in states]
    if len(given) != len(sizes):
        raise InputError(
            f"{call}: states of {len(given)} layers, but the model has {len(sizes)}; give a dict for each, empty or not"
        )
    values: list[Array] = [np.zeros(0, dtype)]
    for index, (of_layer, expected) in enumerate(zip(given, sizes, strict=True)):
        if of_layer.keys() != expected.keys():
            names = [sorted(map(str, mapping)) for mapping in (of_layer, expected)]
            raise InputError(f"{call}: layer {index} has the states {names[1]}, not {names[0]}; give exactly these")
        for name, size in expected.items():
            where = f"{call}: state {name!r} of layer {index}"
            array = real_array(where, of_layer[name])
            if array.shape != (size,):
                raise InputError(f"{where}: shape {array.shape} does not fit, expected ({size},)")
            values.append(own_copy(array, dtype))
            if not np.isfinite(values[-1]).all():
                raise NonFiniteInputError(
                    f"{where}: NaN, infinity or a value beyond {dtype}; the state is unchanged; give numbers"
                )
    return np.concatenate(values)


def converted(array: NDArray[Any], dtype: np.dtype[Any]) -> Array:
    """The array in the model's dtype. Values beyond its range become infinite; the driver finds and refuses them."""
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def own_copy(array: NDArray[Any], dtype: np.dtype[Any]) -> Array:
    """As `converted`, in C order, and in memory that no other thread can write to."""
    if array.dtype == dtype:
        return np.array(array, order="C")
    with np.errstate(over="ignore"):
        return np.array(array, dtype, order="C")


def kernel_array(call: str, value: ArrayLike, shape: tuple[int | str, ...], dtype: np.dtype[Any]) -> Array:
    """`value` as a kernel reads it: of this shape and dtype, in C order, aligned. Raises InputError.

    A str in `shape` stands for a dimension that the caller has not given. Values beyond the dtype's range become infinite.
    """
    array: NDArray[Any] = value if type(value) is np.ndarray else real_array(call, value)
    usual = array.dtype == dtype
    if not usual:
        array = real_array(call, array)
    if array.shape != shape:
        raise InputError(f"{call}: shape {array.shape} does not fit, expected ({', '.join(map(str, shape))})")
    if usual and array.flags.c_contiguous and array.flags.aligned:
        return array
    with np.errstate(over="ignore"):
        return np.require(array, dtype, ["C", "A"])


def check_out(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], *, c_order: bool = False, call: str = "step") -> None:
    """Raise InputError unless results can be written to `out`."""
    fits = type(out) is np.ndarray and out.dtype == dtype and out.shape == shape
    if not fits or not (out.flags.carray if c_order else out.flags.writeable):
        order = " in C order" if c_order else ""
        raise InputError(f"{call}: out must be a writable {dtype} array{order} of shape {shape}, not {_described(out)}")


def has_masked(value: Any) -> bool:
    """Whether a value is a masked array with masked values. Does not import numpy.ma: without it there is no masked array."""
    masked_arrays = sys.modules.get("numpy.ma")
    return masked_arrays is not None and bool(masked_arrays.is_masked(value))


def non_finite_input(x: Array, remedy: str, begin: int = 0) -> NonFiniteInputError:
    """The error for an array with NaN or infinity: the first index, the value, and what to do.

    begin  the index in the caller's array at which x begins
    """
    index = [int(i) for i in np.argwhere(~np.isfinite(x))[0]]
    return NonFiniteInputError(f"input{[begin + index[0], *index[1:]]} is {x[tuple(index)]}; {remedy}")


def _described(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    return f"{type(value).__name__} of {value.dtype}, shape {value.shape}{'' if value.flags.writeable else ', read-only'}"
