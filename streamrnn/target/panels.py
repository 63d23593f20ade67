"""`PanelLayout`: where each weight of a recipe's layer lies, for packing and for all kernels.

A panel holds `blocks` blocks of `lanes` units. The weights of a section (those that one vector multiplies in a pass) are
[panel][row][sum][block][lane]: a row of biases for the sums that begin there, then a row for each value of the vector. Sections
follow each other in the order in which a step adds them up, pass by pass. They are apart because a chunk reads them apart.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from streamrnn.recipe import Recipe, Section
from streamrnn.target.packing import Array, Width, pack, rows


class SectionLayout(NamedTuple):
    """Where the weights of a section lie among those of the layer.

    section      what they are
    offset       bytes to its first panel
    panel_bytes  from one panel of it to the next
    n_rows       values of the vector, each with a row of weights
    """

    section: Section
    offset: int
    panel_bytes: int
    n_rows: int


class PanelLayout:
    """The layout of a layer's weights, for one width.

    recipe     of the layer
    sizes      values of its vectors by what tells them (`Recipe.size_of`)
    n_panels   of each pass
    sections   of each pass
    n_bytes    of all
    """

    def __init__(self, recipe: Recipe, width: Width, sizes: Mapping[str, int]) -> None:
        self.recipe, self._width = recipe, width
        self.n_panels = [width.panels(sizes[one.units]) for one in recipe.passes]
        self.sections: list[list[SectionLayout]] = []
        self.n_bytes = 0
        for one, n_panels in zip(recipe.passes, self.n_panels, strict=True):
            of_pass = []
            for section in one.sections:
                n_rows = sizes[recipe.size_of(section.vector)]
                panel_bytes = bias_bytes(width, section) + n_rows * row_bytes(width, section)
                of_pass.append(SectionLayout(section, self.n_bytes, panel_bytes, n_rows))
                self.n_bytes += n_panels * panel_bytes
            self.sections.append(of_pass)

    def packed(
        self,
        weights: Mapping[tuple[str, str], Array],
        biases: Mapping[str, Array],
        scales: Mapping[str, float] | None = None,
    ) -> Array:
        """Weights in the order of the layout, flat, of the type that is stored.

        weights  (vector, sum) -> (units, values of the vector)
        biases   sum -> (units,); zeros where there is none
        scales   sum -> a factor for its rows, 1 where there is none
        """
        factors = scales or {}
        parts = []
        for one in self.recipe.passes:
            for vector, begins, sums in one.sections:
                whole = np.stack([weights[vector, name] for name in sums])
                found = [rows(whole, np.array([factors.get(name, 1.0) for name in sums]))]
                if begins:
                    zeros = np.zeros(whole.shape[1], whole.dtype)
                    stacked = np.stack([biases.get(name, zeros) for name in begins])
                    found.insert(0, rows(stacked, np.array([factors.get(name, 1.0) for name in begins])))
                parts.append(pack(self._width, *found))
        flat = np.concatenate(parts)
        assert flat.nbytes == self.n_bytes
        return flat


def bias_bytes(width: Width, section: Section) -> int:
    """Bytes of the biases of one panel."""
    return len(section.begins) * width.units * width.stored_itemsize


def row_bytes(width: Width, section: Section) -> int:
    """Bytes of the weights of one panel for one value."""
    return len(section.sums) * width.units * width.stored_itemsize


class Positions:
    """What stands where in the table of an op that has a recipe (record field TABLE).

    In this order: the address of the options; the panels of each pass; of each section the addresses of its first panel and of
    its last, the bytes from one to the next, and the number of its rows; of each vector where it is; of each state where it
    will be.
    """

    OPTIONS = 0

    def __init__(self, recipe: Recipe) -> None:
        self._sections = {}
        at = 1 + len(recipe.passes)
        for index, one in enumerate(recipe.passes):
            for section in one.sections:
                self._sections[index, section.vector] = at
                at += 4
        self.vectors = (*recipe.states, *recipe.between, *recipe.gathered, *recipe.per_unit)
        self._now = {name: at + index for index, name in enumerate(self.vectors)}
        at += len(self.vectors)
        self._then = {name: at + index for index, name in enumerate(recipe.states)}
        self.count = at + len(recipe.states)

    def n_panels(self, index: int) -> int:
        """Of the panels of a pass."""
        return 1 + index

    def address(self, index: int, vector: str) -> int:
        """Of the address of the section that a vector multiplies in a pass: its first panel."""
        return self._sections[index, vector]

    def last_address(self, index: int, vector: str) -> int:
        """Of the address of its last panel."""
        return self._sections[index, vector] + 1

    def panel_bytes(self, index: int, vector: str) -> int:
        """Of the bytes from one of its panels to the next."""
        return self._sections[index, vector] + 2

    def n_rows(self, index: int, vector: str) -> int:
        """Of the number of its rows."""
        return self._sections[index, vector] + 3

    def now(self, vector: str) -> int:
        """Of a vector, a state as it was before the step."""
        return self._now[vector]

    def then(self, vector: str) -> int:
        """Of a vector, a state as it will be after the step."""
        return self._then.get(vector, self._now[vector])
