"""Cells that an exporter took apart, found by the structure of their equations. The names of nodes do not matter.

torch writes an LSTMCell, a GRUCell and an RNNCell as products, splits, activations and sums, once for each step of a loop.
"""

from collections.abc import Iterator

import numpy as np

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.rewrite.cell import Cell
from streamrnn_converters.onnx.rewrite.gate_inputs import input_and_state, stacked, weights_of
from streamrnn_converters.onnx.rewrite.linear import Form, Forms
from streamrnn_converters.onnx.rewrite.patterns import factors, gated, mixed


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
    outer = factors(forms, node, "Sigmoid", "Tanh")
    if outer is None:
        return None
    o, memory = outer
    sum_node = forms.producers.get(memory)
    if sum_node is None or sum_node.op != "Add":
        return None
    for new, old in (sum_node.inputs, sum_node.inputs[::-1]):
        inner = factors(forms, forms.producers.get(new), "Sigmoid", "Tanh")
        kept = gated(forms, forms.producers.get(old))
        if inner is None or kept is None:
            continue
        (i, g), (f, c) = inner, kept
        gates = [forms.of(gate) for gate in (i, o, f, g)]
        if any(gate is None or gate.leads for gate in gates):
            continue
        split = input_and_state(forms, "LSTM", [gate for gate in gates if gate is not None], before, c, node.outputs[0])
        if split is None:
            continue
        x, h, weights = split
        return Cell("LSTM", x, h, c, node.outputs[0], memory, weights, {})
    return None


def _gru(forms: Forms, node: Node, before: dict[str, Cell]) -> Cell | None:
    """h' = z (h - n) + n, or (1 - z) n + z h; n = tanh(W x + b + r (R h + c)) or tanh(W x + b + R (r h))."""
    parts = mixed(forms, node)
    if parts is None:
        return None
    z, n, h = parts
    of_z, n_node = forms.of(z), forms.producers.get(n)
    if of_z is None or n_node is None or n_node.op != "Tanh":
        return None
    return _reset_after(forms, node, n_node.inputs[0], of_z, h) or _reset_before(forms, node, n_node.inputs[0], of_z, h)


def _reset_after(forms: Forms, node: Node, n: str, of_z: Form, h: str) -> Cell | None:
    total = forms.producers.get(n)
    if total is None or total.op != "Add":
        return None
    for product, rest in (total.inputs, total.inputs[::-1]):
        reset = gated(forms, forms.producers.get(product))
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
        biases = [*(gate.bias for gate in gates), np.zeros(2 * len(of_h.bias)), of_h.bias]
        weights = weights_of("GRU", stacked(gates, x), stacked(recurrent, h), biases)
        if weights is None:
            continue
        begun = forms.rows.constant(h)
        if weights["R"] is None and (begun is None or begun.any()):  # R h of zeros was computed beforehand, of no other h
            continue
        known = "" if weights["R"] is None else h
        return Cell("GRU", x, known, "", node.outputs[0], "", weights, {"linear_before_reset": 1})
    return None


def _reset_before(forms: Forms, node: Node, n: str, of_z: Form, h: str) -> Cell | None:
    of_n = forms.of(n)
    if of_n is None or of_n.leads or len(of_n.terms) != 2:
        return None
    for reset_h, x in (tuple(of_n.terms), tuple(of_n.terms)[::-1]):
        reset = gated(forms, forms.producers.get(reset_h))
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
        weights = weights_of("GRU", stacked(gates, x), recurrent, [gate.bias for gate in gates])
        if weights is None:
            continue
        return Cell("GRU", x, h, "", node.outputs[0], "", weights, {"linear_before_reset": 0})
    return None


def _rnn(forms: Forms, node: Node, before: dict[str, Cell]) -> Cell | None:
    """h' = tanh(W x + R h + b), or relu. A dense layer with two inputs looks the same, so h must be known as a state."""
    if node.op not in ("Tanh", "Relu"):
        return None
    form = forms.of(node.inputs[0])
    if form is None:
        return None
    split = input_and_state(forms, "RNN", [form], before, "", node.outputs[0])
    if split is None:
        return None
    x, h, weights = split
    if form.leads and forms.row(x) is None:
        return None
    return Cell("RNN", x, h, "", node.outputs[0], "", weights, {"activations": [node.op]}, form.leads)
