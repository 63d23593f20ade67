"""`RecipeLayer`: what layers with a recipe share, such as packing; `Recurrent`: what recurrent layers share."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from streamrnn.layers.layer import Layer, Tensor
from streamrnn.recipe import Recipe
from streamrnn.target.op import Op, recipe_op
from streamrnn.target.packing import Array, Width
from streamrnn.target.panels import PanelLayout


@dataclass(frozen=True)
class Parameters:
    """The parameters of a layer, by the names in its recipe.

    weights   (vector, sum) -> (units, values of the vector)
    biases    sum -> (units,); zeros where there is none
    scales    sum -> factor for its weights and bias, so that exponentials work in base 2; 1 where there is none
    options   plain numbers, (any,)
    per_unit  name -> (units,)
    """

    weights: Mapping[tuple[str, str], Array]
    biases: Mapping[str, Array]
    scales: Mapping[str, float] = field(default_factory=dict)
    options: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    per_unit: Mapping[str, Array] = field(default_factory=dict)


class RecipeLayer(Layer):
    """A layer whose kernels are built from a recipe: `cell` is the name of the recipe in the module `cells`."""

    cells: ClassVar[ModuleType]

    @property
    @abstractmethod
    def cell(self) -> str:
        """The name of the recipe."""

    @property
    def recipe(self) -> Recipe:
        recipe: Recipe = getattr(self.cells, self.cell)
        return recipe

    @property
    def recipe_path(self) -> str:
        """The path under which the compiler finds the recipe: "cells.<file>.<name>"."""
        return f"{self.cells.__name__.removeprefix('streamrnn.')}.{self.cell}"

    @abstractmethod
    def parameters(self) -> Parameters:
        """The weights, biases and options that the recipe computes with."""

    @property
    def hidden_size(self) -> int:
        """H, the number of units."""
        return self.output_size

    @property
    def n_units(self) -> int:
        return self.hidden_size

    def pack(self, width: Width) -> Op:
        given = self.parameters()
        sizes = {"inputs": self.input_size, "hidden": self.hidden_size, "outputs": self.output_size}
        panels = PanelLayout(self.recipe, width, sizes)
        packed = panels.packed(given.weights, given.biases, given.scales)
        per_unit = np.zeros((len(given.per_unit), width.padded(self.hidden_size)), width.dtype)
        for row, vector in zip(per_unit, given.per_unit.values(), strict=True):
            row[: self.hidden_size] = vector
        constants = np.concatenate([given.options.astype(width.dtype), per_unit.ravel()])
        return recipe_op(self.recipe_path, panels, packed, sizes, self.states, constants, panels.most_inputs(given.weights))


class Recurrent(RecipeLayer):
    """A recurrent layer with input weights (any, H, I)."""

    input_weights: Tensor

    @property
    def input_size(self) -> int:
        return self.input_weights.shape[2]

    @property
    def output_size(self) -> int:
        return self.input_weights.shape[1]


class SingleState(Recurrent):
    """A recurrent layer whose only state is h, (H,)."""

    initial_hidden: Tensor

    @property
    def states(self) -> Mapping[str, Tensor]:
        return {"h": self.initial_hidden}


def by_sum(vector: str, sums: str, arrays: Array) -> dict[tuple[str, str], Any]:
    """The weights that a vector is multiplied with, (n, units, values), by vector and the sum that each feeds."""
    return {(vector, name): array for name, array in zip(sums.split(), arrays, strict=True)}
