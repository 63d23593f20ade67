"""Products and sums that the equations of cells are made of, found by their structure. All give names of values."""

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.rewrite.linear import Forms


def factors(forms: Forms, node: Node | None, first: str, second: str) -> tuple[str, str] | None:
    """Of first(a) second(b), a product of two activations: (a, b)."""
    if node is None or node.op != "Mul":
        return None
    made = {producer.op: producer.inputs[0] for name in node.inputs if (producer := forms.producers.get(name)) is not None}
    return (made[first], made[second]) if {first, second} <= made.keys() else None


def gated(forms: Forms, node: Node | None) -> tuple[str, str] | None:
    """Of σ(a) b: (a, b)."""
    if node is None or node.op != "Mul":
        return None
    for gate, value in (node.inputs, node.inputs[::-1]):
        producer = forms.producers.get(gate)
        if producer is not None and producer.op == "Sigmoid":
            return producer.inputs[0], value
    return None


def mixed(forms: Forms, node: Node) -> tuple[str, str, str] | None:
    """Of z (h - n) + n, or of (1 - z) n + z h, with z = σ(a): (a, n, h)."""
    if node.op != "Add":
        return None
    for product, other in (node.inputs, node.inputs[::-1]):
        kept = gated(forms, forms.producers.get(product))
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
