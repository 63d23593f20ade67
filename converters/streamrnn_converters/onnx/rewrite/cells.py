"""Cells that an exporter took apart: found by the structure of their equations, whatever their nodes are called.

torch writes an LSTMCell, a GRUCell and an RNNCell as products, splits, activations and sums, once for each step of a loop.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.rewrite.linear import Array, Form, Forms


@dataclass(frozen=True)
class Cell:
    """One step of a cell.

    x, h, c  names of the values that it takes; h is "" where the step begins with zeros that have been folded away, c where
             the cell has none
    output   name of the value that it gives, h'; memory: of c', or ""
    leads    whether an axis of size 1 stands before the two of h and h'
    weights  by the names of ONNX's inputs: "W" (n_gates H, I), "R" (n_gates H, H), "B" (2 n_gates H,); R is None where h is ""
    """

    op: str  # LSTM, GRU or RNN
    x: str
    h: str
    c: str
    output: str
    memory: str
    weights: dict[str, Array | None]
    attributes: dict[str, object]
    leads: bool = False


def cells(forms: Forms) -> Iterator[Cell]:
    """Every cell of the graph, in order. Of two values that could be x or h, h is told by where it comes from."""
    found: dict[str, Cell] = {}
    for node in forms.nodes:
        for recognise in (_lstm, _gru, _rnn):
            cell = recognise(forms, node, found)
            if cell is not None:
                found[cell.output] = cell
                yield cell
                break


def _lstm(forms: Forms, node: Node, before: dict[str, Cell]) -> Cell | None:
    """h' = σ(o) tanh(c'), c' = σ(f) c + σ(i) tanh(g)."""
    outer = _factors(forms, node, "Sigmoid", "Tanh")
    if outer is None:
        return None
    o, memory = outer
    sum_node = forms.producers.get(memory)
    if sum_node is None or sum_node.op != "Add":
        return None
    for new, old in (sum_node.inputs, sum_node.inputs[::-1]):
        inner = _factors(forms, forms.producers.get(new), "Sigmoid", "Tanh")
        kept = _gated(forms, forms.producers.get(old))
        if inner is None or kept is None:
            continue
        (i, g), (f, c) = inner, kept
        gates = [forms.of(gate) for gate in (i, o, f, g)]
        if any(gate is None or gate.leads for gate in gates):
            continue
        split = _input_and_state(forms, [gate for gate in gates if gate is not None], before, c, node.outputs[0])
        if split is None:
            continue
        x, h, weights = split
        return Cell("LSTM", x, h, c, node.outputs[0], memory, weights, {})
    return None


def _gru(forms: Forms, node: Node, before: dict[str, Cell]) -> Cell | None:
    """h' = z (h - n) + n, or (1 - z) n + z h; n = tanh(W x + b + r (R h + c)) or tanh(W x + b + R (r h))."""
    mixed = _mixed(forms, node)
    if mixed is None:
        return None
    z, n, h = mixed
    of_z, n_node = forms.of(z), forms.producers.get(n)
    if of_z is None or n_node is None or n_node.op != "Tanh":
        return None
    return _reset_after(forms, node, n_node.inputs[0], of_z, h) or _reset_before(forms, node, n_node.inputs[0], of_z, h)


def _reset_after(forms: Forms, node: Node, n: str, of_z: Form, h: str) -> Cell | None:
    total = forms.producers.get(n)
    if total is None or total.op != "Add":
        return None
    for product, rest in (total.inputs, total.inputs[::-1]):
        reset = _gated(forms, forms.producers.get(product))
        of_x = forms.of(rest)
        if reset is None or of_x is None:
            continue
        of_r, of_h = forms.of(reset[0]), forms.of(reset[1])
        if of_r is None or of_h is None or not set(of_h.terms) <= {h} or of_x.leads or of_h.leads:
            continue
        (x,) = set(of_x.terms) if len(of_x.terms) == 1 else ("",)
        if not x or any(set(form.terms) - {x, h} for form in (of_r, of_z)):
            continue
        gates = [of_z, of_r, of_x]
        if any(x not in gate.terms for gate in gates):
            continue
        recurrent = [of_z, of_r, of_h]
        bias = np.concatenate([*(gate.bias for gate in gates), np.zeros(2 * len(of_h.bias)), of_h.bias])
        weights = {"W": _stacked(gates, x), "R": _stacked(recurrent, h), "B": bias}
        if weights["W"] is None or not _fit(weights, 3):
            continue
        known = "" if weights["R"] is None else h
        return Cell("GRU", x, known, "", node.outputs[0], "", weights, {"linear_before_reset": 1})
    return None


def _reset_before(forms: Forms, node: Node, n: str, of_z: Form, h: str) -> Cell | None:
    of_n = forms.of(n)
    if of_n is None or of_n.leads or len(of_n.terms) != 2:
        return None
    for reset_h, x in (tuple(of_n.terms), tuple(of_n.terms)[::-1]):
        reset = _gated(forms, forms.producers.get(reset_h))
        if reset is None or reset[1] != h:
            continue
        of_r = forms.of(reset[0])
        if of_r is None or set(of_r.terms) != {x, h} or set(of_z.terms) != {x, h}:
            continue
        gates, size = [of_z, of_r, of_n], len(of_z.bias)
        matrices = [of_z.terms[h], of_r.terms[h], of_n.terms[reset_h]]
        if any(matrix.shape != (size, size) for matrix in matrices):
            continue
        recurrent = np.concatenate(matrices)
        bias = np.concatenate([*(gate.bias for gate in gates), np.zeros(3 * size)])
        weights: dict[str, Array | None] = {"W": _stacked(gates, x), "R": recurrent, "B": bias}
        if weights["W"] is None or not _fit(weights, 3):
            continue
        return Cell("GRU", x, h, "", node.outputs[0], "", weights, {"linear_before_reset": 0})
    return None


def _rnn(forms: Forms, node: Node, before: dict[str, Cell]) -> Cell | None:
    """h' = tanh(W x + R h + b), or relu. Two inputs of a dense layer look alike, so h must be known for a state."""
    if node.op not in ("Tanh", "Relu"):
        return None
    form = forms.of(node.inputs[0])
    if form is None:
        return None
    split = _input_and_state(forms, [form], before, "", node.outputs[0])
    if split is None:
        return None
    x, h, weights = split
    if form.leads and forms.row(x) is None:
        return None
    return Cell("RNN", x, h, "", node.outputs[0], "", weights, {"activations": [node.op]}, form.leads)


def _input_and_state(
    forms: Forms, gates: list[Form], before: dict[str, Cell], c: str, output: str
) -> tuple[str, str, dict[str, Array | None]] | None:
    """Which value of the gates' is x and which is h, with the weights; None where they cannot be told."""
    names = list(dict.fromkeys(name for gate in gates for name in gate.terms))
    size = len(gates[0].bias)
    if len({len(gate.bias) for gate in gates}) != 1 or not 1 <= len(names) <= 2:
        return None
    graph_inputs = [entry.name for entry in forms.graph.inputs]
    fitting = [name for name in names if all(name in gate.terms and gate.terms[name].shape[1] == size for gate in gates)]
    states = [name for name in fitting if name in forms.states]
    if c and not states:  # of an LSTM: the h that its c came with
        states = [name for name in fitting if name in before and before[name].memory == c]
    elif not states:  # of an RNN: what the same cell gave a step before
        states = [name for name in fitting if name in before and _is_step_of(before[name], gates, set(names) - {name})]
    states = states or [name for name in fitting if forms.rows.constant(name) is not None]
    may_carry = c in graph_inputs or (not c and output in forms.outputs)
    if not states and len(names) == 2 and may_carry:
        carried = [name for name in fitting if forms.rows.source(name) in graph_inputs]
        named = [name for name in carried if name.lower().lstrip("_").startswith(("h", "state"))]
        states = named or carried[-1:]
    if len(names) == 1:
        states = [""] if names[0] not in states else []
    if len(states) != 1:
        return None
    h = states[0]
    (x,) = [name for name in names if name != h] or ("",)
    if not x or any(x not in gate.terms for gate in gates):
        return None
    bias = np.concatenate([*(gate.bias for gate in gates), np.zeros(len(gates) * size)])
    weights = {"W": _stacked(gates, x), "R": _stacked(gates, h), "B": bias}
    return (x, h, weights) if weights["W"] is not None and _fit(weights, len(gates)) else None


def _is_step_of(cell: Cell, gates: list[Form], inputs: set[str]) -> bool:
    """Whether a cell takes its input as these gates take theirs."""
    matrices = [_stacked(gates, name) for name in inputs]
    return (
        len(matrices) == 1
        and matrices[0] is not None
        and cell.weights["W"] is not None
        and np.array_equal(matrices[0], cell.weights["W"])
    )


def _stacked(gates: list[Form], name: str) -> Array | None:
    """The matrices of a value; None where it is not there, as a state of zeros is folded away, or they are not of one shape."""
    matrices = [gate.terms[name] for gate in gates if name in gate.terms]
    if len(matrices) != len(gates) or len({matrix.shape for matrix in matrices}) != 1:
        return None
    return np.concatenate(matrices)


def _fit(weights: Mapping[str, Array | None], n_gates: int) -> bool:
    """Whether all weights are those of one hidden size."""
    bias, recurrent = weights["B"], weights["R"]
    hidden = 0 if bias is None else len(bias) // (2 * n_gates)
    return recurrent is None or recurrent.shape == (n_gates * hidden, hidden)


def _factors(forms: Forms, node: Node | None, first: str, second: str) -> tuple[str, str] | None:
    """What the two activations are of whose product a node is."""
    if node is None or node.op != "Mul":
        return None
    made = {producer.op: producer.inputs[0] for name in node.inputs if (producer := forms.producers.get(name)) is not None}
    return (made[first], made[second]) if {first, second} <= made.keys() else None


def _gated(forms: Forms, node: Node | None) -> tuple[str, str] | None:
    """Of σ(a) b: (a, b)."""
    if node is None or node.op != "Mul":
        return None
    for gate, value in (node.inputs, node.inputs[::-1]):
        producer = forms.producers.get(gate)
        if producer is not None and producer.op == "Sigmoid":
            return producer.inputs[0], value
    return None


def _mixed(forms: Forms, node: Node) -> tuple[str, str, str] | None:
    """Of z (h - n) + n, or of (1 - z) n + z h: what z is σ of, n and h."""
    if node.op != "Add":
        return None
    for product, other in (node.inputs, node.inputs[::-1]):
        kept = _gated(forms, forms.producers.get(product))
        if kept is None:
            continue
        z, inner = kept
        difference = forms.producers.get(inner)
        if difference is not None and difference.op == "Sub" and difference.inputs[1] == other:
            return z, other, forms.name_of(difference.inputs[0])
        new = forms.producers.get(other)
        if new is None or new.op != "Mul":
            continue
        for rest, n in (new.inputs, new.inputs[::-1]):
            complement = forms.producers.get(rest)
            if complement is None or complement.op != "Sub":
                continue
            one, gate = forms.constant(complement.inputs[0]), forms.producers.get(complement.inputs[1])
            if one is not None and one.size == 1 and one.ravel()[0] == 1 and gate is not None and gate.inputs[:1] == (z,):
                return z, n, forms.name_of(inner)
    return None
