"""The memory layout of a layer that has a recipe: `PanelLayout` of its weights, `Positions` of its table.

A panel is a group of units: `blocks` blocks of `lanes` units. A section is the weights that one vector multiplies in a pass:
[panel][row][sum][block][lane]. Its first row has the biases of the sums that begin in this section; then comes a row for each
value of the vector. The sections are in the order in which a step adds them up, pass by pass. They are separate because a chunk
reads the section of the inputs apart from the others (streamrnn/kernels/input_sums.py).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from streamrnn.recipe import Recipe, Section
from streamrnn.target.packing import Array, Width, pack, rows


class SectionLayout(NamedTuple):
    """The position of a section among the weights of its layer.

    section      of the recipe
    offset       bytes from the beginning of the layer's weights to the first panel of the section
    panel_bytes  bytes from one panel of the section to the next
    n_rows       rows of weights, one for each value of the vector
    """

    section: Section
    offset: int
    panel_bytes: int
    n_rows: int


class PanelLayout:
    """The layout of a layer's weights, for one width.

    recipe    of the layer
    sizes     name of a size (`Recipe.size_of`) -> values of the vectors of that size
    n_panels  panels of each pass
    sections  sections of each pass
    n_bytes   bytes of all weights
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
        """The packed weights: a flat array in the order of the layout, of the type `Width.stored_dtype`.

        weights  (vector, sum) -> array (units, values of the vector)
        biases   sum -> array (units,); zeros where there is none
        scales   sum -> a factor for its weights and bias; 1 where there is none
        """
        factors = scales or {}
        parts = []
        for one in self.recipe.passes:
            for vector, begins, sums in one.sections:
                whole = np.stack([weights[vector, name] for name in sums])
                of_section = [rows(whole, np.array([factors.get(name, 1.0) for name in sums]))]
                if begins:
                    zeros = np.zeros(whole.shape[1], whole.dtype)
                    stacked = np.stack([biases.get(name, zeros) for name in begins])
                    of_section.insert(0, rows(stacked, np.array([factors.get(name, 1.0) for name in begins])))
                parts.append(pack(self._width, *of_section))
        flat = np.concatenate(parts)
        assert flat.nbytes == self.n_bytes
        return flat


def bias_bytes(width: Width, section: Section) -> int:
    """Bytes of the row of biases of one panel."""
    return len(section.begins) * width.units * width.stored_itemsize


def row_bytes(width: Width, section: Section) -> int:
    """Bytes of a row of weights of one panel: those for one value of the vector."""
    return len(section.sums) * width.units * width.stored_itemsize


class Positions:
    """The positions of words in the table of an op that has a recipe (record field TABLE). A word is an int64.

    The words are, in this order:

    the address of the options
    for each pass, the number of its panels
    for each section, the address of its first panel, that of its last panel, the bytes from one to the next, its number of rows
    for each vector, its address; for a state, the address before the step
    for each state, the address after the step: another one, where a state must not be written in place (`Recipe.aside`)

    In a pool, a word of a vector is the bytes to add to an address that is listed for each stream (record field ROWS).

    vectors  the names of the vectors, in the order of their words
    count    how many words there are
    """

    OPTIONS = 0

    def __init__(self, recipe: Recipe) -> None:
        self._sections = {}
        position = 1 + len(recipe.passes)
        for index, one in enumerate(recipe.passes):
            for section in one.sections:
                self._sections[index, section.vector] = position
                position += 4
        self.vectors = (*recipe.states, *recipe.between, *recipe.gathered, *recipe.per_unit)
        self._now = {name: position + index for index, name in enumerate(self.vectors)}
        position += len(self.vectors)
        self._then = {name: position + index for index, name in enumerate(recipe.states)}
        self.count = position + len(recipe.states)

    def n_panels(self, index: int) -> int:
        """Position of the number of panels of a pass."""
        return 1 + index

    def address(self, index: int, vector: str) -> int:
        """Position of the address of the first panel of a section: the weights that `vector` multiplies in a pass."""
        return self._sections[index, vector]

    def last_address(self, index: int, vector: str) -> int:
        """Position of the address of the last panel of a section."""
        return self._sections[index, vector] + 1

    def panel_bytes(self, index: int, vector: str) -> int:
        """Position of the bytes from one panel of a section to the next."""
        return self._sections[index, vector] + 2

    def n_rows(self, index: int, vector: str) -> int:
        """Position of the number of rows of a section, without the row of biases."""
        return self._sections[index, vector] + 3

    def now(self, vector: str) -> int:
        """Position of the address of a vector; of a state, before the step."""
        return self._now[vector]

    def then(self, vector: str) -> int:
        """Position of the address of a vector; of a state, after the step."""
        return self._then.get(vector, self._now[vector])
