"""Weights in the order in which a kernel reads them.

A panel holds `blocks` blocks of `lanes` units. Its rows follow each other in memory as the kernel adds them up. A row is
[gate][block][lane]. So all gates of a unit meet in registers, and the cell is computed there.
"""

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
    """How much of a layer a kernel holds in registers: vectors of `lanes` units, `blocks` vectors per gate.

    dtype   in which it computes
    ahead   bytes by which weights are fetched before they are used; 0: not
    stored  in which weights are stored; None: in that of `dtype`
    """

    lanes: int
    blocks: int
    dtype: DType = np.float32
    ahead: int = 0
    stored: DType | None = None

    @property
    def itemsize(self) -> int:
        """Bytes of a number that is computed with."""
        return np.dtype(self.dtype).itemsize

    @property
    def stored_dtype(self) -> DType:
        """The type of the weights."""
        return self.stored or self.dtype

    @property
    def stored_itemsize(self) -> int:
        """Bytes of a weight."""
        return np.dtype(self.stored_dtype).itemsize

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
        padded = np.zeros((n_rows, n_gates, panels * width.units), width.stored_dtype)
        padded[:, :, :units] = section
        by_panel = padded.reshape(n_rows, n_gates, panels, width.units).transpose(2, 0, 1, 3)
        parts.append(by_panel.reshape(panels, -1))
    return np.concatenate(parts, axis=1).ravel()
