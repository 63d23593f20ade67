"""`StateOutput`: a recurrent layer whose output is one of its states, such as the c of an LSTM."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from streamrnn.layers.layer import Layer, Tensor
from streamrnn.layers.recipe_layer import RecipeLayer
from streamrnn.recipe import Recipe
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class StateOutput(Layer):
    """The layer with another output. It only stands in models that record, and is never kept in an archive.

    layer  with the state
    state  its name
    """

    layer: RecipeLayer
    state: str

    kind: ClassVar[str] = "state-output"

    @property
    def dtype(self) -> str:  # type: ignore[override]
        """The compute precision of the layer."""
        return self.layer.dtype

    @property
    def stored(self) -> str | None:  # type: ignore[override]
        """The type in which the layer stores its weights."""
        return self.layer.stored

    @property
    def input_size(self) -> int:
        return self.layer.input_size

    @property
    def output_size(self) -> int:
        return self.layer.states[self.state].size

    @property
    def n_units(self) -> int:
        return self.layer.n_units

    @property
    def recipe(self) -> Recipe:
        return replace(self.layer.recipe, output=self.state)

    @property
    def states(self) -> "dict[str, Tensor]":
        return dict(self.layer.states)

    def tensors(self) -> dict[str, Tensor]:
        """Those of the layer."""
        return self.layer.tensors()

    def options(self) -> dict[str, Any]:
        """The state, and what the layer is."""
        return {"state": self.state, "layer": self.layer.description()}

    def pack(self, width: Width) -> Op:
        op = self.layer.pack(width)
        return replace(op, recipe=f"{op.recipe}:{self.state}", output_size=self.output_size)
