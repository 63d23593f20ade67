"""Select values of a step, and constants: canonical form. The kernels are in streamrnn/kernels/select.py."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import ModelError
from streamrnn.layers.layer import DTYPES, Layer, Tensor
from streamrnn.target.op import Op
from streamrnn.target.packing import Width

#: Values of a run of consecutive indices from which on it pays to copy runs instead of values.
_LONG_RUN = 4


@dataclass(frozen=True, eq=False)
class Select(Layer):
    """y[k] = x[indices[k]]. ONNX Slice-13, Split-18, Gather-13, and Reshape-21, Transpose-21 and Pad-21 within a step.

    size       n, values of x
    indices    m whole numbers from 0 to n - 1, in any order, with duplicates; n + i is constants[i]
    constants  (any,); None: only values of x are selected
    dtype      "float32" or "float64": compute precision

    Raises ModelError for anything that does not fit.
    """

    size: int
    indices: tuple[int, ...]
    dtype: str = "float32"
    constants: Tensor | None = None

    kind: ClassVar[str] = "select"

    def __post_init__(self) -> None:
        self._check_sizes("size", (self.size,))
        n = self.size
        if self.constants is not None:
            n += self._freeze("constants", (None,)).size
        try:
            indices = tuple(int(index) for index in self.indices)
        except (TypeError, ValueError):
            indices = ()
        if not indices or indices != tuple(self.indices) or not all(0 <= index < n for index in indices):
            raise ModelError(f"select layer, indices: {self.indices!r:.60} are not numbers from 0 to {n - 1}")
        object.__setattr__(self, "indices", indices)

    @property
    def input_size(self) -> int:
        return self.size

    @property
    def output_size(self) -> int:
        return len(self.indices)

    def pack(self, width: Width) -> Op:
        indices = np.array(self.indices, np.int64)
        runs = _runs(indices, self.size)
        if len(runs) == 1 and self.indices[0] < self.size:
            kernel, table = "part", self.indices[:1]
        elif _LONG_RUN * len(runs) <= indices.size:
            kernel, table = "runs", (len(runs), *runs.ravel().tolist())
        else:
            kernel, table = "any_order" if self.constants is None else "with_constants", self.indices
        return Op(
            kernel=f"select.{kernel}",
            input_size=self.size,
            output_size=indices.size,
            hidden_size=indices.size,
            constants=np.zeros(0, DTYPES[self.dtype]) if self.constants is None else self.constants,
            table=table,
        )


def _runs(indices: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """The runs of consecutive indices, as (begin, length); a run does not go on from the last value of x to the constants."""
    begins = np.flatnonzero(np.diff(indices, prepend=indices[0] - 2) != 1)
    begins = np.union1d(begins, np.flatnonzero(indices == size))
    return np.stack([indices[begins], np.diff(begins, append=indices.size)], axis=1)
