"""`Layout`: the columns of a query, as `advance` has checked them, and as Arrow types. It goes to the executors."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

#: Types of keys, by their names in Spark, as the workers see them.
KEY_TYPES = {"bigint": pa.int64(), "string": pa.string(), "binary": pa.binary()}


@dataclass(frozen=True)
class Layout:
    """The columns of a query.

    key_type   of KEY_TYPES
    n_inputs   the model's input size
    outputs    names of the output's columns; one name for a model with several outputs: a column of arrays
    n_outputs  the model's output size
    dtype      of the model: "float32" or "float64"
    """

    key_type: str
    n_inputs: int
    outputs: tuple[str, ...]
    n_outputs: int
    dtype: str

    @cached_property
    def rows(self) -> Any:
        """The Arrow schema of a message of rows."""
        x = [pa.field(f"x{index}", self._float) for index in range(self.n_inputs)]
        return pa.schema([*self._name, *x, pa.field("closes", pa.bool_())])

    @cached_property
    def answers(self) -> Any:
        """The Arrow schema of a message of answers; the reasons are those of streamrnn/spark/reasons.py."""
        kind = pa.list_(self._float) if self.in_arrays else self._float
        return pa.schema([*self._name, *(pa.field(name, kind) for name in self.outputs), pa.field("reason", pa.int8())])

    @cached_property
    def states(self) -> Any:
        """The Arrow schema of a message of states."""
        return pa.schema([*self._name, pa.field("poisoned", pa.bool_()), pa.field("snapshot", pa.binary())])

    @property
    def in_arrays(self) -> bool:
        """Whether the outputs of a step are a single column of arrays."""
        return len(self.outputs) < self.n_outputs

    @property
    def answers_in_spark(self) -> str:
        """The schema of the answers, in Spark's words."""
        number = "float" if self.dtype == "float32" else "double"
        kind = f"array<{number}>" if self.in_arrays else number
        names = ["`" + name.replace("`", "``") + "`" for name in self.outputs]
        return ", ".join([f"key {self.key_type}", "order bigint", *(f"{name} {kind}" for name in names), "reason tinyint"])

    @property
    def _name(self) -> list[Any]:
        return [pa.field("key", KEY_TYPES[self.key_type]), pa.field("order", pa.int64())]

    @property
    def _float(self) -> Any:
        return pa.float32() if self.dtype == "float32" else pa.float64()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name in self.__dataclass_fields__}
