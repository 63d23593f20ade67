"""`Holder`: what the layers share that hold another layer."""

from typing import Any, Self

from numpy.typing import ArrayLike, DTypeLike

from streamrnn.errors import ModelError
from streamrnn.layers.layer import Layer


class Holder(Layer):
    """A layer that runs another one, which holds the weights."""

    layer: Layer

    def _check_held(self) -> None:
        """Raise ModelError for something that is no layer."""
        if not isinstance(self.layer, Layer):
            raise ModelError(f"{self.kind} layer, layer: {self.layer!r:.60} is not a layer")

    @property
    def dtype(self) -> str:  # type: ignore[override]
        """The compute precision of the layer that it holds."""
        return self.layer.dtype

    @property
    def stored(self) -> str | None:  # type: ignore[override]
        """The type in which the layer that it holds stores its weights."""
        return self.layer.stored

    @property
    def can_store(self) -> bool:
        return self.layer.can_store

    def with_stored(self, stored: str | None) -> Self:
        return self._holding(self.layer.with_stored(stored))

    def tensors(self) -> dict[str, Any]:
        """The canonical arrays of the layer that it holds, by "layer." and the field name."""
        return {f"layer.{name}": tensor for name, tensor in self.layer.tensors().items()}

    def with_tensor(self, name: str, values: "ArrayLike") -> Self:
        return self._holding(self.layer.with_tensor(name.removeprefix("layer."), values))

    def options(self) -> dict[str, Any]:
        """The other fields. The layer that it holds is not among the options: see `description`."""
        return {name: value for name, value in self._fields().items() if name != "layer"}

    def description(self) -> dict[str, Any]:
        return super().description() | {"layer": self.layer.description()}

    def astype(self, dtype: "DTypeLike") -> Self:
        return self._holding(self.layer.astype(dtype))

    def _holding(self, layer: Layer) -> Self:
        return type(self)(**(self._fields() | {"layer": layer}))

    def _check_dtype(self) -> None:
        """The layer that it holds has checked it."""
