"""`Op`: one layer, packed for one width. It has all that a plan and its kernels need to know of the layer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.target.packing import Array
from streamrnn.target.panels import PanelLayout


def _nothing() -> Array:
    return np.zeros(0, np.float32)


@dataclass(frozen=True)
class Op:
    """One layer, packed for one width.

    input_size    values that a step takes
    output_size   values that a step returns
    hidden_size   units, which the panels hold
    recipe        path of the recipe from which the kernels are built, "cells.<file>.<name>"; empty: `kernel` names a function
    kernel        function that builds the kernel, "<file>.<name>" in streamrnn/kernels/<file>.py; empty: there is a recipe.
                  If the layer has a state, the same in streamrnn/kernels/pool/<file>.py builds the kernel for pools
    halves        functions as `kernel`, of a layer that gives its state, then takes its source as the new one. They are
                  the kernels of two ops, `give` and `take`, where the source is a later op; empty: it can have no such source
    weights       packed weights, (any,)
    state         name -> initial value, (size,), of each state vector
    constants     other numbers that the kernel reads, (any,)
    table         integers that the kernel reads; in the op's table they come after the words that `panels` needs
    panels        the layout of the weights, for a kernel that is built from a recipe
    most_inputs   vector -> the largest integer of its values, where the weights are integers
    scratch       vectors of working memory, each as long as a padded state vector
    pool_scratch  the same, for each stream of a pool
    held          the op of one row, where the kernel goes over the rows of a step: it has the weights and the tables
    rows          rows of a step
    input_sums    sums per unit that the inputs feed and that a chunk can compute ahead; 0 where the kernel does not
    """

    input_size: int
    output_size: int
    hidden_size: int
    recipe: str = ""
    kernel: str = ""
    halves: tuple[str, ...] = ()
    weights: NDArray[Any] = field(default_factory=_nothing)
    state: Mapping[str, Array] = field(default_factory=dict)
    constants: Array = field(default_factory=_nothing)
    table: tuple[int, ...] = ()
    panels: PanelLayout | None = None
    most_inputs: Mapping[str, int] = field(default_factory=dict)
    scratch: int = 0
    pool_scratch: int = 0
    input_sums: int = 0
    held: "Op | None" = None
    rows: int = 1

    @property
    def row(self) -> "Op":
        """The op of one row: itself, unless it goes over rows."""
        return self.held or self

    @property
    def row_kernel_is_a_pools(self) -> bool:
        """Whether the rows have a state each, so that they are to its kernel what the streams of a pool are."""
        return self.held is not None and bool(self.state)

    @property
    def has_state(self) -> bool:
        """Whether its kernel works on a state, its own or that of the other half."""
        return bool(self.state or self.halves)

    @property
    def give(self) -> "Op":
        """The half that gives the state. It needs no source."""
        return replace(self, kernel=self.halves[0])

    @property
    def take(self) -> "Op":
        """The half that takes its source as the new state, which is that of `give`. It returns nothing."""
        return replace(self, kernel=self.halves[1], output_size=0, state={})


def recipe_op(
    recipe: str,
    panels: PanelLayout,
    weights: NDArray[Any],
    sizes: Mapping[str, int],
    state: Mapping[str, Array],
    constants: Array,
    most_inputs: Mapping[str, int],
) -> Op:
    """The op of a layer that has a recipe.

    recipe  path of the recipe, see `Op`
    sizes   the sizes "inputs", "hidden" and "outputs" of its vectors
    most_inputs  see `Op`
    """
    between, aside = panels.recipe.between, panels.recipe.aside
    return Op(
        recipe=recipe,
        input_size=sizes["inputs"],
        output_size=sizes["outputs"],
        hidden_size=sizes["hidden"],
        weights=weights,
        state=state,
        constants=constants,
        panels=panels,
        most_inputs=most_inputs,
        scratch=len(between) + len(aside),
        pool_scratch=len(between),
        input_sums=panels.recipe.input_sums,
    )
