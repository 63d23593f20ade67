"""A table of vectors, looked up by index: canonical form. The kernel is streamrnn/kernels/embedding.py."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.layers.layer import Layer, Tensor
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Embedding(Layer):
    """y = table[x], for one x, a whole number from 0 to n_entries - 1. ONNX Gather-13 of a constant; torch.nn.Embedding.

    For another x the step raises InputError, and no state changes.

    table  (n_entries, n)
    dtype  "float32" or "float64": compute precision

    Raises ModelError, naming the tensor, for anything that does not fit.
    """

    table: Tensor
    dtype: str = "float32"

    kind: ClassVar[str] = "embedding"

    def __post_init__(self) -> None:
        self._freeze("table", (None, None))

    @property
    def input_size(self) -> int:
        return 1

    @property
    def output_size(self) -> int:
        return self.table.shape[1]

    def pack(self, width: Width) -> Op:
        n_entries, n = self.table.shape
        return Op(
            kernel="embedding.embedding",
            input_size=1,
            output_size=n,
            hidden_size=n,
            constants=self.table.ravel(),
            table=(n_entries,),
        )
