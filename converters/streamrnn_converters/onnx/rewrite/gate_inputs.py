"""Which value of a cell's gates is its input x and which its state h, and the weights that belong to them.

The gates are sums of two products that look alike, so that h must be told by where it comes from.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from streamrnn_converters.onnx.recurrent_kinds import RECURRENT_KINDS
from streamrnn_converters.onnx.rewrite.cell import Cell
from streamrnn_converters.onnx.rewrite.linear import Array, Form, Forms


def input_and_state(
    forms: Forms, op: str, gates: Sequence[Form], before: Mapping[str, Cell], c: str, output: str
) -> tuple[str, str, dict[str, Array | None]] | None:
    """The names of x and h ("" for zeros that have been folded away), and the weights; None where they cannot be told.

    before  cells that come earlier in the graph, by their outputs
    c       the other state of the cell, or ""
    output  what the cell gives
    """
    names = list(dict.fromkeys(name for gate in gates for name in gate.terms))
    size = len(gates[0].bias)
    if len({len(gate.bias) for gate in gates}) != 1 or not 1 <= len(names) <= 2:
        return None
    square = [name for name in names if all(name in gate.terms and gate.terms[name].shape[1] == size for gate in gates)]
    states = _states(forms, gates, before, c, square, names)
    if not states and len(names) == 2 and _may_be_carried(forms, c, output):
        states = _carried(forms, square)
    if len(names) == 1:
        states = [""] if names[0] not in states else []
    if len(states) != 1:
        return None
    h = states[0]
    (x,) = [name for name in names if name != h] or ("",)
    if not x or any(x not in gate.terms for gate in gates):
        return None
    weights = weights_of(op, stacked(gates, x), stacked(gates, h), [gate.bias for gate in gates])
    return None if weights is None else (x, h, weights)


def _states(
    forms: Forms, gates: Sequence[Form], before: Mapping[str, Cell], c: str, square: list[str], names: Sequence[str]
) -> list[str]:
    """Those of the values that are h for sure.

    square  those whose matrices are square, as those of a state are
    """
    states = [name for name in square if name in forms.states]
    if c and not states:  # an LSTM: the h that its c came with
        states = [name for name in square if name in before and before[name].memory == c]
    elif not states:  # an RNN: what the same cell gave a step before
        states = [name for name in square if name in before and _is_step_of(before[name], gates, set(names) - {name})]
    return states or [name for name in square if forms.rows.constant(name) is not None]


def _may_be_carried(forms: Forms, c: str, output: str) -> bool:
    """Whether graph inputs may bring the states of a cell: they bring its c, or the graph gives its h."""
    return forms.brings(c) != "" if c else bool(forms.outputs.get(output))


def _carried(forms: Forms, square: Sequence[str]) -> list[str]:
    """Those of the values that graph inputs bring: the ones that are states for sure, or are named like them, else the last."""
    brought = [name for name in square if forms.brings(name)]
    known = [name for name in brought if forms.brings(name) in forms.carried]
    if known or forms.carried:
        return known
    return [name for name in brought if name.lower().lstrip("_").startswith(("h", "state"))] or brought[-1:]


def _is_step_of(cell: Cell, gates: Sequence[Form], inputs: set[str]) -> bool:
    """Whether a cell takes its input as these gates take theirs."""
    matrices = [stacked(gates, name) for name in inputs]
    return (
        len(matrices) == 1
        and matrices[0] is not None
        and cell.weights["W"] is not None
        and np.array_equal(matrices[0], cell.weights["W"])
    )


def stacked(gates: Sequence[Form], name: str) -> Array | None:
    """The matrices of a value; None where it is not there, as a state of zeros is folded away, or they are not of one shape."""
    matrices = [gate.terms[name] for gate in gates if name in gate.terms]
    if len(matrices) != len(gates) or len({matrix.shape for matrix in matrices}) != 1:
        return None
    return np.concatenate(matrices)


def weights_of(op: str, of_x: Array | None, of_h: Array | None, biases: Sequence[Array]) -> dict[str, Array | None] | None:
    """W, R and B; None where they are not those of one hidden size. R may be missing.

    biases  of the gates, first those of x, then those of h; zeros where the latter are left out
    """
    n_gates = RECURRENT_KINDS[op].n_gates
    given, hidden = np.concatenate(biases), len(biases[0])
    n_missing = 2 * n_gates * hidden - len(given)
    if n_missing not in (0, n_gates * hidden):
        return None
    if of_x is None or (of_h is not None and of_h.shape != (n_gates * hidden, hidden)):
        return None
    return {"W": of_x, "R": of_h, "B": np.concatenate([given, np.zeros(n_missing)])}
