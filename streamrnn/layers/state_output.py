"""A recurrent layer that gives one of its states: canonical form. The cells are those of the layer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from streamrnn.errors import ModelError
from streamrnn.layers.holder import Holder
from streamrnn.layers.layer import Layer, Tensor
from streamrnn.layers.recipe_layer import Parameters, RecipeLayer
from streamrnn.recipe import Recipe
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class StateOutput(Holder):
    """y = a state of a layer after the step, as the c of an LSTM (ONNX LSTM-22, Y_c), beside its h, which is its usual output.

    Its states are those of the layer, which it computes by the same equations. Beside the layer itself in a model, they are
    computed twice.

    layer  with recurrent weights: LSTM, GRU, RNN, or a cell of your own; I inputs
    state  the name of the state, (S,); x is (I,) and y (S,)

    Raises ModelError for anything that does not fit.
    """

    layer: Layer
    state: str

    kind: ClassVar[str] = "state-output"

    def __post_init__(self) -> None:
        self._check_held()
        if not isinstance(self.layer, RecipeLayer) or not self.layer.states:
            raise ModelError(f"state-output layer, layer: a {self.layer.kind} layer is no cell with states")
        if self.state not in self.layer.states:
            states = ", ".join(map(repr, self.layer.states))
            raise ModelError(f"state-output layer, state: a {self.layer.kind} layer has no {self.state!r}; it has {states}")

    @property
    def held(self) -> RecipeLayer:
        """The layer."""
        assert isinstance(self.layer, RecipeLayer)
        return self.layer

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
        return replace(self.held.recipe, output=self.state)

    @property
    def states(self) -> Mapping[str, Tensor]:
        return self.layer.states

    def parameters(self) -> Parameters:
        """Those of the layer."""
        return self.held.parameters()

    def pack(self, width: Width) -> Op:
        op = self.layer.pack(width)
        return replace(op, recipe=f"{op.recipe}:{self.state}", output_size=self.output_size)
