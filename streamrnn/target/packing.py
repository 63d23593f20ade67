"""Weights in the order in which a kernel reads them, and the op that a layer becomes.

A panel holds `blocks` blocks of `lanes` units. Its rows follow each other in memory as the kernel adds them up: bias and one
row per input; and, behind those of all panels, one row per hidden unit. A row is [gate][block][lane]. So all gates of a unit
meet in registers, and the cell is computed there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: A type of numbers that a model computes in: np.float32 or np.float64.
DType = type[np.floating[Any]]
Array = NDArray[np.floating[Any]]

#: Factors that are multiplied into the rows of a gate, so that its exponential works in base 2.
SIGMOID_SCALE = -np.log2(np.e)
TANH_SCALE = 2 * np.log2(np.e)


class Width(NamedTuple):
    """How much of a layer a kernel holds in registers: vectors of `lanes` units, `blocks` vectors per gate."""

    lanes: int
    blocks: int
    dtype: DType = np.float32
    ahead: int = 0  # bytes by which weights are fetched before they are used; 0: not

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return np.dtype(self.dtype).itemsize

    @property
    def vector_bytes(self) -> int:
        """Bytes of a vector."""
        return self.lanes * self.itemsize

    @property
    def units(self) -> int:
        """Units in a panel."""
        return self.lanes * self.blocks

    @property
    def panel_bytes(self) -> int:
        """Bytes of one number for each unit of a panel."""
        return self.units * self.itemsize

    def panels(self, units: int) -> int:
        """Panels that hold so many units."""
        return -(-units // self.units)

    def padded(self, units: int) -> int:
        """Units rounded up to whole panels."""
        return self.panels(units) * self.units


@dataclass(frozen=True)
class Op:
    """One layer, packed for one width: what a kernel needs to know of it."""

    kernel: str  # "room.variant": function `variant` of streamrnn/kernels/<room>.py builds it
    input_size: int
    output_size: int
    hidden_size: int  # units of the panels
    weights: Array = field(default_factory=lambda: np.zeros(0, np.float32))  # (any,)
    state: Mapping[str, Array] = field(default_factory=dict)  # name -> initial value, (size,) each
    gates: int = 1  # of a unit, over all passes
    scratch: int = 0  # vectors of working memory, each as long as a padded state vector
    constants: Array = field(default_factory=lambda: np.zeros(0, np.float32))  # what else it reads
    table: tuple[int, ...] = ()  # and of integers


def rows(gates: Array, scales: NDArray[np.float64] | float = 1.0) -> Array:
    """Weights (n_gates, units, n_inputs), or a bias (n_gates, units), as rows (n_inputs, n_gates, units), scaled by gate."""
    if gates.ndim == 2:
        gates = gates[:, :, None]
    scaled = gates.astype(np.float64) * np.broadcast_to(scales, len(gates))[:, None, None]
    largest = np.finfo(gates.dtype).max  # a weight near it stays finite: infinity times an input of zero would be NaN
    return np.ascontiguousarray(np.clip(scaled, -largest, largest).transpose(2, 0, 1), gates.dtype)


def pack(width: Width, *sections: Array) -> Array:
    """Sections of rows, (n_rows, n_gates, units) each, as one flat array [panel][section][row][gate][block][lane].

    Units beyond the last are zero: they compute, but nothing reads them.
    """
    units = sections[0].shape[2]
    panels = width.panels(units)
    parts = []
    for section in sections:
        n_rows, n_gates, _ = section.shape
        padded = np.zeros((n_rows, n_gates, panels * width.units), width.dtype)
        padded[:, :, :units] = section
        by_panel = padded.reshape(n_rows, n_gates, panels, width.units).transpose(2, 0, 1, 3)
        parts.append(by_panel.reshape(panels, -1))
    return np.concatenate(parts, axis=1).ravel()


def pack_parts(width: Width, *parts: Sequence[Array]) -> Array:
    """Parts, each of them sections, that are packed one behind the other: what a chunk reads before its steps, and the rest."""
    return np.concatenate([pack(width, *sections) for sections in parts])
