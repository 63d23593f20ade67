"""The memory layout of a layer that has a recipe: `PanelLayout` of its weights, `Positions` of its table.

A panel is a group of units: `blocks` blocks of `lanes` units. A section is the weights that one vector multiplies in a pass:
[panel][row][sum][block][lane]. Its first row has the biases of the sums that begin in this section; then comes a row for each
value of the vector. The sections are in the order in which a step adds them up, pass by pass. They are separate because a chunk
reads the section of the inputs apart from the others (streamrnn/kernels/input_sums.py).

The rows of weights may be stored in fewer bytes (`Width.stored`); biases never are. Of bfloat16 n = 2 rows lie in one, of
integers 2 or 4: [n rows][sum][block][lane][n]. With integers, a row of factors stands before the rows of weights, one for each
unit of each sum, and with 4 in one also a row of corrections (streamrnn/target/integers.py).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.recipe import Recipe, Section
from streamrnn.target import storage
from streamrnn.target.integers import as_integers, corrections, most_input, row_scales
from streamrnn.target.packing import INT8, INT8_BY_FOUR, Array, Width, by_panel, rows

Weights = Mapping[tuple[str, str], Array]


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
                panel_bytes = rows_at(width, section) + n_loads(width, n_rows) * row_bytes(width, section)
                of_pass.append(SectionLayout(section, self.n_bytes, panel_bytes, n_rows))
                self.n_bytes += n_panels * panel_bytes
            self.sections.append(of_pass)

    def packed(
        self,
        weights: Weights,
        biases: Mapping[str, Array],
        scales: Mapping[str, float] | None = None,
    ) -> NDArray[Any]:
        """The packed weights: a flat array in the order of the layout, of the compute precision; bytes where they are stored.

        weights  (vector, sum) -> array (units, values of the vector)
        biases   sum -> array (units,); zeros where there is none
        scales   sum -> a factor for its weights and bias; 1 where there is none
        """
        width, parts = self._width, []
        largest = self.most_inputs(weights)
        for one in self.recipe.passes:
            for section in one.sections:
                factors = _factors(scales, section.sums)
                whole = np.stack([weights[section.vector, name] for name in section.sums]).astype(width.dtype, copy=False)
                of_section = [self._biases(section, whole, biases, scales)] if section.begins else []
                if width.stored is None:
                    of_section.append(rows(whole, factors))
                elif width.has_integers:
                    steps, integers = row_scales(whole)[:, :, 0], as_integers(whole)
                    if section.vector in self.recipe.bounded:
                        factors = factors / largest[section.vector]
                    of_section.append(rows(steps, factors))
                    if width.stored == INT8_BY_FOUR:
                        of_section.append(rows(corrections(integers)))
                    of_section.append(_joined(rows(integers), width.rows_at_once))
                else:
                    of_section.append(_joined(storage.encoded(rows(whole, factors), width.stored), width.rows_at_once))
                panels = [np.ascontiguousarray(by_panel(width, part)).view(np.uint8) for part in of_section]
                parts.append(np.concatenate(panels, axis=1).ravel())
        flat = np.concatenate(parts)
        assert flat.nbytes == self.n_bytes
        return flat if width.stored else flat.view(width.dtype)

    def n_values(self, vector: str) -> int:
        """How many values a vector has that feeds sums."""
        return next(one.n_rows for of_pass in self.sections for one in of_pass if one.section.vector == vector)

    def most_inputs(self, weights: Weights) -> dict[str, int]:
        """Vector -> the largest integer of its values, for which no sum of integers overflows; empty with other weights."""
        if not self._width.has_integers:
            return {}
        largest: dict[str, int] = {}
        for (vector, _), matrix in weights.items():
            largest[vector] = min(most_input(matrix), largest.get(vector, 1 << 31))
        return largest

    def _biases(self, section: Section, whole: Array, biases: Mapping[str, Array], scales: Mapping[str, float] | None) -> Array:
        """The row of biases of a section, (1, sums, units)."""
        zeros = np.zeros(whole.shape[1], whole.dtype)
        stacked = np.stack([biases.get(name, zeros) for name in section.begins])
        return rows(stacked.astype(self._width.dtype, copy=False), _factors(scales, section.begins))


def _factors(scales: Mapping[str, float] | None, sums: tuple[str, ...]) -> NDArray[np.float64]:
    return np.array([(scales or {}).get(name, 1.0) for name in sums])


def _joined(numbers: NDArray[Any], at_once: int) -> NDArray[Any]:
    """Rows of numbers, (n_rows, sums, units), several in one: (rows, sums, units) of larger integers. Zeros fill the last."""
    n_rows, n_sums, units = numbers.shape
    whole = np.zeros((n_rows + -n_rows % at_once, n_sums, units), numbers.dtype)
    whole[:n_rows] = numbers
    joined = np.ascontiguousarray(whole.reshape(-1, at_once, n_sums, units).transpose(0, 2, 3, 1))
    return joined.view(f"u{at_once * numbers.itemsize}")[..., 0]


def bias_bytes(width: Width, section: Section) -> int:
    """Bytes of the row of biases of one panel."""
    return len(section.begins) * width.panel_bytes


def rows_at(width: Width, section: Section) -> int:
    """Bytes from the beginning of one panel to its rows of weights: biases, and the factors and corrections of integers."""
    n_rows = {INT8: 1, INT8_BY_FOUR: 2}.get(width.stored or "", 0)
    return bias_bytes(width, section) + n_rows * len(section.sums) * width.panel_bytes


def row_bytes(width: Width, section: Section) -> int:
    """Bytes that are loaded at once of one panel: the weights for one value of the vector, or for several in one."""
    return width.rows_at_once * len(section.sums) * width.units * width.stored_itemsize


def n_loads(width: Width, n_rows: int) -> int:
    """How often a kernel loads so many bytes."""
    return -(-n_rows // width.rows_at_once)


class Positions:
    """The positions of words in the table of an op that has a recipe (record field TABLE). A word is an int64.

    The words are, in this order:

    the address of the options
    for each pass, the number of its panels
    for each section, the address of its first panel, that of its last panel, the bytes from one to the next, its number of rows
    for each vector, its address; for a state, the address before the step
    for each state, the address after the step: another one, where a state must not be written in place (`Recipe.aside`)
    for each vector that feeds sums, where the weights are integers: the address of its values as integers, the bytes from those
    of one stream to those of the next, the largest integer

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
        position += len(recipe.states)
        fed = dict.fromkeys(section.vector for one in recipe.passes for section in one.sections)
        self._integers = {name: position + 3 * index for index, name in enumerate(fed)}
        self.count = position + 3 * len(fed)

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

    @property
    def fed(self) -> tuple[str, ...]:
        """The vectors that feed sums."""
        return tuple(self._integers)

    def integers(self, vector: str) -> int:
        """Position of the address of a vector's values as integers (streamrnn/kernels/integers.py)."""
        return self._integers[vector]

    def integer_bytes(self, vector: str) -> int:
        """Position of the bytes from the integers of one stream of a pool to those of the next."""
        return self._integers[vector] + 1

    def most_input(self, vector: str) -> int:
        """Position of the largest integer of a vector."""
        return self._integers[vector] + 2
