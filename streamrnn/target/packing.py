"""Packed weights: in the order in which a kernel reads them.

A panel is a group of units: `blocks` blocks of `lanes` units. Its rows are in memory in the order in which the kernel adds them
up. A row is [gate][block][lane]. So all gates of a unit are in registers at once, where the cell is computed.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Compute precision of a model: np.float32 or np.float64.
DType = type[np.floating[Any]]
Array = NDArray[np.floating[Any]]

#: Names of the types in which weights can be stored (streamrnn/target/storage.py).
BFLOAT16, FLOAT16, INT8 = "bfloat16", "float16", "int8"
#: The form of int8 weights in a packed layer whose rows lie by fours, not by twos (streamrnn/target/integers.py).
INT8_BY_FOUR = "int8 by four"

_STORED_BYTES = {BFLOAT16: 2, FLOAT16: 2, INT8: 1, INT8_BY_FOUR: 1}
_ROWS_AT_ONCE = {BFLOAT16: 2, INT8: 2, INT8_BY_FOUR: 4}

#: Factors for the rows of a sigmoid or tanh gate, so that its exponential works in base 2.
SIGMOID_SCALE = -np.log2(np.e)
TANH_SCALE = 2 * np.log2(np.e)


class Width(NamedTuple):
    """How many units a kernel holds in registers at once.

    lanes   units of a vector
    blocks  vectors per gate
    dtype   compute precision
    ahead   bytes by which weights are fetched before they are used; 0: not
    stored  name of the type in which weights are stored, or of its packed form; None: `dtype`
    beside  whether a step in a chunk also computes input sums of coming steps (streamrnn/kernels/coming.py)
    """

    lanes: int
    blocks: int
    dtype: DType = np.float32
    ahead: int = 0
    stored: str | None = None
    beside: bool = False

    @property
    def itemsize(self) -> int:
        """Bytes of a number of type `dtype`."""
        return np.dtype(self.dtype).itemsize

    @property
    def stored_itemsize(self) -> int:
        """Bytes of a weight."""
        return _STORED_BYTES[self.stored] if self.stored else self.itemsize

    @property
    def has_integers(self) -> bool:
        """Whether weights are integers."""
        return self.stored in (INT8, INT8_BY_FOUR)

    @property
    def rows_at_once(self) -> int:
        """Rows of weights that lie in one, since an instruction takes them at once: several of integers, two of bfloat16."""
        return _ROWS_AT_ONCE.get(self.stored or "", 1)

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
        """How many panels hold `units` units."""
        return -(-units // self.units)

    def padded(self, units: int) -> int:
        """Units rounded up to whole panels."""
        return self.panels(units) * self.units


def rows(gates: NDArray[Any], scales: NDArray[np.float64] | float = 1.0) -> NDArray[Any]:
    """Weights (n_gates, units, n_inputs), or a bias (n_gates, units), as rows (n_inputs, n_gates, units), each gate scaled."""
    if gates.ndim == 2:
        gates = gates[:, :, None]
    if gates.dtype.kind == "i":
        return np.ascontiguousarray(gates.transpose(2, 0, 1))
    scaled = gates.astype(np.float64) * np.broadcast_to(scales, len(gates))[:, None, None]
    largest = np.finfo(gates.dtype).max  # keeps scaled weights finite: infinity times an input of 0 would be NaN
    return np.ascontiguousarray(np.clip(scaled, -largest, largest).transpose(2, 0, 1), gates.dtype)


def pack(width: Width, *sections: Array) -> Array:
    """Sections of rows, (n_rows, n_gates, units) each, as one flat array [panel][section][row][gate][block][lane]."""
    return np.concatenate([by_panel(width, section) for section in sections], axis=1).ravel()


def by_panel(width: Width, section: NDArray[Any]) -> NDArray[Any]:
    """A section of rows, (n_rows, n_gates, units), as (panel, all values of the panel): [row][gate][block][lane].

    The last panel is filled up with zeros. The kernel computes these units too, but nothing reads them.
    """
    n_rows, n_gates, units = section.shape
    panels = width.panels(units)
    padded = np.zeros((n_rows, n_gates, panels * width.units), section.dtype)
    padded[:, :, :units] = section
    return padded.reshape(n_rows, n_gates, panels, width.units).transpose(2, 0, 1, 3).reshape(panels, -1)
