"""Products that are summed over axes with the same label: Einsum, and MatMul as one."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from streamrnn_converters.onnx.axes.roles import Roles, inserted
from streamrnn_converters.onnx.axes.rules import layers
from streamrnn_converters.onnx.axes.rules.elementwise import input_name, met, with_constant
from streamrnn_converters.onnx.axes.rules.signals import Inputs, computed
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Axis, Constant, Signal, Value, rank

_ELLIPSIS = "..."


class Contraction(NamedTuple):
    """The labels of the axes of each input, and of the output. What the output lacks is summed."""

    terms: list[list[str]]
    out: list[str]


def is_dense(node: Node, inputs: Sequence[Value | Signal | None]) -> bool:
    """Whether a MatMul is that of a dense layer: a signal times constant weights."""
    a, b = inputs
    return not isinstance(a, Constant) and isinstance(b, Constant) and b.array.ndim == 2


def contraction_of(node: Node, inputs: Sequence[Value | Signal | None]) -> Contraction:
    """What Einsum-12 or MatMul-13 multiplies and sums."""
    ranks = [rank(value) for value in inputs if value is not None]
    if len(ranks) < len(inputs) or 0 in ranks:
        raise node.refused("lacks an input, or one has no axes")
    if node.op == "MatMul":
        terms = [["k"] if n == 1 else [*_outer(n - 2), *last] for n, last in zip(ranks, ("mk", "kn"), strict=True)]
        return Contraction(terms, [*_outer(max(*ranks, 2) - 2), *(label for term in terms for label in term if label in "mn")])
    return _of_equation(node, node.take("equation", ""), ranks)


def _outer(n_axes: int) -> list[str]:
    """Labels of axes that are broadcast, which are counted from the last."""
    return [f"{_ELLIPSIS}{index}" for index in range(n_axes, 0, -1)]


def _of_equation(node: Node, equation: str, ranks: Sequence[int]) -> Contraction:
    given, arrow, wanted = equation.replace(" ", "").partition("->")
    written = given.split(",")
    n_outer = max(
        (n - len(term.replace(_ELLIPSIS, "")) for term, n in zip(written, ranks, strict=False) if _ELLIPSIS in term), default=0
    )
    if not arrow:
        letters = Counter(letter for letter in given if letter.isalpha())
        wanted = (_ELLIPSIS if _ELLIPSIS in given else "") + "".join(sorted(each for each in letters if letters[each] == 1))
    terms = [_labels(term, n) for term, n in zip(written, ranks, strict=False)]
    out = _labels(wanted, len(wanted.replace(_ELLIPSIS, "")) + n_outer * (_ELLIPSIS in wanted))
    known = {label for term in terms for label in term}
    fits = len(written) == len(ranks) and all(len(term) == n for term, n in zip(terms, ranks, strict=True))
    if not fits or not known.issuperset(out) or not all(each.isalpha() or len(each) > 1 for each in known):
        raise node.refused(f"its equation {equation!r} does not fit its inputs of {', '.join(map(str, ranks))} axes")
    if any(len(set(labels)) < len(labels) for labels in (*terms, out)):
        raise node.refused(f"its equation {equation!r} takes a diagonal; export the model without it")
    return Contraction(terms, out)


def _labels(term: str, n_axes: int) -> list[str]:
    before, ellipsis, after = term.partition(_ELLIPSIS)
    return [*before, *(_outer(n_axes - len(before) - len(after)) if ellipsis else ()), *after]


def matmul(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """A dense layer, or a product of signals, or with weights of another form."""
    return layers.dense(roles, node, inputs) if is_dense(node, inputs) else contraction(roles, node, inputs)


def contraction(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Axes of one label meet each other; those that are summed lie within a step."""
    terms, out = contraction_of(node, inputs)
    found: dict[str, Axis] = {}
    for labels, value in zip(terms, inputs, strict=True):
        for label, axis in zip(labels, value.axes if isinstance(value, Signal) else (), strict=False):
            found[label] = met(roles, node, found[label], axis) if label in found else axis
    for index, (labels, value) in enumerate(zip(terms, inputs, strict=True)):
        if not isinstance(value, Signal):
            own = [found.get(label) or inserted(node, place) for place, label in enumerate(labels)]
            found |= zip(labels, with_constant(roles, node, own, value, input_name(node, index)), strict=True)
    for label in found.keys() - set(out):
        roles.need(node, found[label])
    given = [found[label] for label in out]
    if sum(roles.over_time(axis) for axis in given) > 1:
        raise node.refused("multiplies every step with every other, which needs all of time at once; a stream has one step")
    return computed(node, given)
