"""`Op`: one layer, packed for one width: what a plan and its kernels need to know of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from streamrnn.target.packing import Array
from streamrnn.target.panels import PanelLayout


def _nothing() -> Array:
    return np.zeros(0, np.float32)


@dataclass(frozen=True)
class Op:
    """One layer, packed for one width.

    recipe       where the recipe is from which its kernels are made: "cells.<room>.<name>"; empty: it has none, but
    kernel       a function that builds its kernel: "<room>.<name>", in streamrnn/kernels/<room>.py; with a state another one of
                 that name for pools, in streamrnn/kernels/pool/<room>.py
    input_size   values that a step takes, output_size values that it gives
    hidden_size  units of the panels
    weights      packed, (any,)
    state        name -> initial value, (size,) each
    constants    what else it reads, (any,)
    table        and of integers, which follow those that `panels` makes
    panels       where the weights of a recipe lie
    scratch      vectors of working memory, each as long as a padded state vector
    pool_scratch the same for each stream of a pool
    input_sums   sums of a unit that the inputs feed, which a chunk may make ahead; 0 where a kernel does not
    """

    input_size: int
    output_size: int
    hidden_size: int
    recipe: str = ""
    kernel: str = ""
    weights: Array = field(default_factory=_nothing)
    state: Mapping[str, Array] = field(default_factory=dict)
    constants: Array = field(default_factory=_nothing)
    table: tuple[int, ...] = ()
    panels: PanelLayout | None = None
    scratch: int = 0
    pool_scratch: int = 0
    input_sums: int = 0


def recipe_op(
    recipe: str,
    panels: PanelLayout,
    weights: Array,
    sizes: Mapping[str, int],
    state: Mapping[str, Array],
    constants: Array,
) -> Op:
    """The op of a layer that has a recipe.

    recipe  where it is, see `Op`
    sizes   values of its vectors by what tells them: "inputs", "hidden" and "outputs"
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
        scratch=len(between) + len(aside),
        pool_scratch=len(between),
        input_sums=panels.recipe.input_sums,
    )
