"""`KeyRows`: the inputs of `step_keys` as one array, and its results one by one, in machine code."""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.code_cache import Function, address_of
from streamrnn.door.builtin import data_of
from streamrnn.door.machine.layout import LIST_ITEMS
from streamrnn.plan import Plan
from streamrnn.target.cpu import driver_width
from streamrnn.target.packing import Array

_ADDRESS = ctypes.c_int64
_WITH_GIL = ctypes.PYFUNCTYPE(_ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS)


def functions_of_key_rows(plan: Plan) -> list[Function]:
    """The compiled functions, `gather` and `scatter` of streamrnn/door/machine/rows.py."""
    return [Function(f"door.machine.rows.{name}", driver_width(plan.dtype)) for name in ("gather", "scatter")]


class KeyRows:
    """From the inputs of many streams to one matrix, and from a matrix to results, for a plan with sizes I and O.

    table  what the pool's compiled `step` is bound to
    """

    def __init__(self, plan: Plan, table: NDArray[np.int64]) -> None:
        self._table, self._table_address = table, data_of(table)
        self._dtype, self._n_inputs = np.dtype(plan.dtype), plan.input_size
        self._gather, self._scatter = (_WITH_GIL(address_of(*function)) for function in functions_of_key_rows(plan))

    def gather(self, inputs: list[Any]) -> Array | None:
        """The inputs, (n, I), of the model's dtype; None if one is not finite, or of a type that is converted elsewhere."""
        x = np.empty((len(inputs), self._n_inputs), self._dtype)
        n_known = self._gather(self._table_address, _items_of(inputs), len(inputs), data_of(x))
        return x if n_known == len(inputs) else None

    def scatter(self, y: Array) -> list[Array]:
        """A new array for each row of y, (n, O), of the model's dtype, in C order."""
        results: list[Any] = [None] * len(y)
        self._scatter(self._table_address, _items_of(results), len(y), data_of(y))
        return results


def _items_of(values: list[Any]) -> int:
    """Address of the addresses of a list's items."""
    return ctypes.c_int64.from_address(id(values) + LIST_ITEMS).value
