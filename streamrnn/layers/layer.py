"""What every kind of layer has: canonical arrays, read-only; sizes; states; a packed form."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from streamrnn.activation import Activation, activation
from streamrnn.boundary import refusing
from streamrnn.errors import ModelError
from streamrnn.recipe import Recipe
from streamrnn.target import integers, storage
from streamrnn.target.op import Op
from streamrnn.target.packing import BFLOAT16, FLOAT16, INT8, Array, DType, Width

#: An array as a layer keeps it: of the layer's dtype, in C order, read-only. A layer takes anything that converts to it.
Tensor = np.ndarray[tuple[int, ...], np.dtype[np.floating[Any]]]

#: The types in which a layer can compute, by name.
DTYPES: dict[str, DType] = {"float32": np.float32, "float64": np.float64}

#: kind -> class, of all kinds: ours, and those that users have defined.
KINDS: dict[str, type["Layer"]] = {}

_ABSENT: Tensor = np.zeros(0, np.float32)


def dtype_name(dtype: Any, where: str = "dtype: ") -> str:
    """The name of a type in which a layer can compute: "float64" for "float64", np.float64, np.dtype(np.float64) or float.

    Raises ModelError, whose message begins with `where`, for anything else.
    """
    with suppress(TypeError):
        name = np.dtype(dtype).name if isinstance(dtype, type | np.dtype) else dtype
        if name in DTYPES:
            return str(name)
    raise ModelError(f"{where}{dtype!r} is not one of {', '.join(DTYPES)}")


def absent() -> Tensor:
    """The default of a field whose default is zeros of the right shape. None means the same there."""
    return _ABSENT


def frozen(where: str, value: ArrayLike, shape: tuple[int | None, ...], dtype: DType = np.float32) -> Tensor:
    """A read-only copy of `value` of a type. Raises ModelError if it is not finite, or not of `shape` (None: any size)."""
    with refusing(ModelError, f"{where}: not an array of numbers"):
        given = np.asarray(value)
        if given.dtype.kind not in "fiu":
            raise TypeError(f"dtype {given.dtype} is not a real number")
        with np.errstate(over="ignore"):
            array = np.array(given, dtype, order="C")
    sizes: tuple[int, ...] = array.shape
    if len(sizes) != len(shape) or any(want not in (None, have) for want, have in zip(shape, sizes, strict=True)):
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise ModelError(f"{where}: shape {array.shape} does not fit, expected ({wanted})")
    if 0 in array.shape:
        raise ModelError(f"{where}: shape {array.shape} is empty; every size is at least 1")
    with np.errstate(invalid="ignore"):
        is_finite = np.isfinite(array.min()) and np.isfinite(array.max())  # without an array as large as this one
    if not is_finite:
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ModelError(f"{where}: {array[index]} at {index}; every weight must be finite in {array.dtype}")
    array.flags.writeable = False
    return array


class Layer(ABC):
    """A layer of a model. Its dataclass fields are its canonical form: arrays (or None) and options."""

    kind: ClassVar[str]
    dtype: str
    stored: str | None = None  # the type in which weights are stored (streamrnn/target/storage.py); None: `dtype`
    streamable: ClassVar[bool] = True  # False where the output of a step needs later steps
    delays: ClassVar[bool] = False  # True where it needs earlier steps only: its source may be a later layer

    @property
    @abstractmethod
    def input_size(self) -> int:
        """Values that one step takes."""

    @property
    @abstractmethod
    def output_size(self) -> int:
        """Values that one step returns."""

    @property
    def input_sizes(self) -> tuple[int, ...]:
        """Values that a step takes from each source; most layers have one source."""
        return (self.input_size,)

    @property
    def stride(self) -> int:
        """Rows of its source for each row that it returns."""
        return 1

    @property
    def n_units(self) -> int:
        """Units: rows of each gate's weights."""
        return self.output_size

    @property
    def row(self) -> "Layer":
        """The layer whose kernel runs: itself, or the one that it holds and runs on each row of a step."""
        return self

    @property
    def recipe(self) -> Recipe | None:
        """The equations from which its kernels are built; None for a kind with a kernel of its own in streamrnn/kernels."""
        return None

    @property
    def passes(self) -> tuple[int, ...]:
        """For each pass over the weights, how many gates of a unit are summed at once."""
        return self.recipe.gates if self.recipe else ()

    @property
    def states(self) -> Mapping[str, Tensor]:
        """Name -> initial value, (size,), of each state vector that the layer carries from step to step."""
        return {}

    @abstractmethod
    def pack(self, width: Width) -> Op:
        """The layer, packed for kernels of a width. Raises ModelError for a layer that is not streamable."""

    @classmethod
    def tensor_names(cls) -> list[str]:
        """The fields that hold arrays."""
        return [field.name for field in fields(cls) if field.type in (Tensor, Tensor | None)]  # type: ignore[arg-type]

    @classmethod
    def matrix_names(cls) -> list[str]:
        """The fields that hold matrices, whose numbers can be stored in another type."""
        return [name for name in cls.tensor_names() if name.endswith("weights")]

    def tensors(self) -> dict[str, Tensor]:
        """The canonical arrays by field name, without those that are None."""
        return {name: value for name, value in self._fields().items() if isinstance(value, np.ndarray)}

    def with_tensor(self, name: str, values: "ArrayLike") -> Self:
        """The layer with another array for one of `tensors`."""
        return type(self)(**(self._fields() | {name: values}))

    def options(self) -> dict[str, Any]:
        """The other fields, as JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {
            name: _to_json(value) for name, value in values.items() if value is not None and not isinstance(value, np.ndarray)
        }

    def description(self) -> dict[str, Any]:
        """What the layer is, without its tensors, as JSON values."""
        return {"kind": self.kind, "options": self.options()}

    def test_vector(self) -> list[float] | None:
        """Values of the kind's equation, to see in an archive whether it has changed; None for the kinds that we define."""
        return None

    @classmethod
    def check_test_vector(cls, values: object) -> None:
        """Raise ModelError where an archive's test vector is not what the kind computes."""
        raise ModelError(f"{cls.kind} layer: the archive has a test vector, but layers of this kind have none")

    @property
    def n_parameters(self) -> int:
        """How many parameters the layer has; initial states that are all zero do not count."""
        return sum(tensor.size for name, tensor in self.tensors().items() if not name.startswith("initial") or tensor.any())

    def astype(self, dtype: "DTypeLike") -> Self:
        """The layer in float32 or float64, given by name or as a NumPy type.

        Raises ModelError for another type, or a number that is not finite in it.
        """
        return type(self)(**(self._fields() | {"dtype": dtype}))

    @property
    def can_store(self) -> bool:
        """Whether its weights can be stored in another type than `dtype`."""
        return "stored" in self._fields()

    def with_stored(self, stored: str | None) -> Self:
        """The layer with its weights rounded to a stored type, "bfloat16", "float16" or "int8"; None: they stay as they are.

        Raises ModelError for another type, or a weight that is too large for it.
        """
        return type(self)(**(self._fields() | {"stored": stored}))

    @property
    def _plain(self) -> bool:
        """Whether the rows of weights must not be scaled, because 16 bits would not hold the result."""
        return self.stored in (FLOAT16, BFLOAT16)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles call the constructor, since a copied array would be writable."""
        return type(self), tuple(self._fields().values())

    def _fields(self) -> dict[str, Any]:
        assert is_dataclass(self)
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _freeze(self, name: str, shape: tuple[int | None, ...], *, or_zeros: bool = False) -> Tensor:
        """Replace the array field `name` by its frozen copy; with `or_zeros`, by zeros where it is absent."""
        value = getattr(self, name)
        if or_zeros and (value is None or value is _ABSENT):
            value = np.zeros([size or 0 for size in shape])
        self._check_dtype()
        array = frozen(f"{self.kind} layer, {name}", value, shape, DTYPES[self.dtype])
        object.__setattr__(self, name, array)
        return array

    def _freeze_weights(self, name: str, shape: tuple[int | None, ...]) -> Tensor:
        """`_freeze` a matrix, (..., values of a row), rounded to the type in which weights are stored."""
        array = self._freeze(name, shape)
        if self.stored is None:
            return array
        if self.stored not in storage.STORED_TYPES:
            raise ModelError(f"{self.kind} layer, stored: {self.stored!r} is not one of {', '.join(storage.STORED_TYPES)}")
        if self.stored == INT8 and self.dtype != "float32":
            raise ModelError(
                f"{self.kind} layer, stored: int8 weights are for layers that compute in float32, not {self.dtype}"
            )
        try:
            rounded = self._rounded(array, self.stored)
        except ValueError as error:
            raise ModelError(f"{self.kind} layer, {name}: {error}; use bfloat16") from None
        rounded.flags.writeable = False
        object.__setattr__(self, name, rounded)
        return rounded

    def _rounded(self, weights: Tensor, stored: str) -> Tensor:
        if stored == INT8:
            scales = self.row_scales(weights)
            return integers.as_weights(integers.as_integers(weights, scales), scales)
        return storage.rounded(weights, stored)

    def row_scales(self, weights: Tensor) -> Tensor:
        """The scale of each number of a matrix of int8 weights, of a shape that broadcasts: one for each row."""
        return integers.row_scales(weights)

    def _check_bounds(self, name: str) -> None:
        """Raise ModelError for an initial state beyond 1, which a fixed scale of integers cannot hold."""
        state: Tensor = getattr(self, name)
        if self.stored == INT8 and np.abs(state).max() > 1:
            raise ModelError(
                f"{self.kind} layer, {name}: {state[np.abs(state).argmax()]} is beyond 1, but with int8 weights it is taken as "
                "an integer for values from -1 to 1; use bfloat16"
            )

    def _check_sizes(self, name: str, sizes: Sequence[int]) -> tuple[int, ...]:
        """The sizes as a tuple, for a layer without arrays. Raises ModelError unless each is a whole number, at least 1."""
        self._check_dtype()
        whole = isinstance(sizes, Sequence) and all(isinstance(size, int) and not isinstance(size, bool) for size in sizes)
        if not whole or not sizes or min(sizes) < 1:
            raise ModelError(f"{self.kind} layer, {name}: {sizes!r}: every size must be a whole number, at least 1")
        return tuple(sizes)

    def _check_dtype(self) -> None:
        """Replace the field `dtype` by its name. Raises ModelError for another type."""
        object.__setattr__(self, "dtype", dtype_name(self.dtype, f"{self.kind} layer, dtype: "))

    def _set_activations(self, values: Sequence[Activation | str], count: int) -> None:
        """Set the field `activations` to `count` element-wise functions."""
        with refusing(ModelError, f"{self.kind} layer, activations: not a sequence of names"):
            chosen = tuple(activation(value) for value in values)
        if len(chosen) != count:
            raise ModelError(f"{self.kind} layer, activations: {len(chosen)} given, expected {count}")
        for value in chosen:
            if not value.fits_cells:
                raise ModelError(f"{self.kind} layer, activations: {value.name} is not for cells; use it in a dense layer")
        object.__setattr__(self, "activations", chosen)

    def _set_clip(self, clip: float | None) -> None:
        """Set the field `clip` to None or a number that is positive in float32. Raises ModelError for anything else."""
        if clip is None:
            return
        if isinstance(clip, bool) or not isinstance(clip, int | float) or not 1e-37 < clip < 3e38:
            raise ModelError(f"{self.kind} layer, clip: {clip!r} is not a positive number; None means no clipping")
        object.__setattr__(self, "clip", float(clip))


class SizedLayer(Layer):
    """A layer whose output is as long as its input: `size` values."""

    size: int

    def __post_init__(self) -> None:
        self._check_sizes("size", (self.size,))

    @property
    def input_size(self) -> int:
        return self.size

    @property
    def output_size(self) -> int:
        return self.size


def activation_options(clip: float | None, activations: tuple[Activation, ...]) -> Array:
    """The options of a general cell: the clip threshold (0: none), then code, alpha and beta of each activation."""
    numbers = [clip or 0.0]
    for chosen in activations:
        numbers += [chosen.code, chosen.alpha or 0.0, chosen.beta or 0.0]
    return np.array(numbers)


def _to_json(value: Any) -> Any:
    if isinstance(value, Activation):
        parameters = {name: getattr(value, name) for name in ("alpha", "beta") if getattr(value, name) is not None}
        return {"name": value.name, **parameters}
    if isinstance(value, tuple):  # of indices it may be long
        return list(value) if set(map(type, value)) == {int} else [_to_json(item) for item in value]
    return value


def from_json(value: Any) -> Any:
    """The value of a field from its form in `Layer.options`."""
    if isinstance(value, dict):
        return Activation(**value)
    return tuple(from_json(item) for item in value) if isinstance(value, list) else value
