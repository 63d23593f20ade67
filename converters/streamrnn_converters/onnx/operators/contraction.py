"""Einsum, and MatMul of two signals or with weights of another form than a matrix: products, summed over axes of a step."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Arithmetic, Reduce
from streamrnn_converters.onnx.axes.arguments import limit
from streamrnn_converters.onnx.axes.rules.contraction import contraction_of
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import MOST_VALUES, Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.operators.convolution_within import grouped_product
from streamrnn_converters.onnx.operators.elementwise import operands
from streamrnn_converters.onnx.operators.pooling import rows_below
from streamrnn_converters.onnx.values import Broadcast, Constant, Flow, Value, describe, full_rank

_Labels = list[str]


@operator("Einsum")
def _einsum(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Einsum-12."""
    return [contracted(importer, node, inputs)]


def contracted(importer: Importer, node: Node, inputs: Inputs) -> Flow:
    """The product of all inputs, two at a time, from the left."""
    terms, out = contraction_of(node, inputs)
    axes = importer.axes_of(node)
    (labels, value), *waiting = zip(terms, (_operand(node, each) for each in inputs), strict=True)
    while waiting:
        (other_labels, other), *waiting = waiting
        needed = {*out, *(label for each, _ in waiting for label in each)}
        labels, value = _product(importer, node, (labels, value), (other_labels, other), needed)
    assert isinstance(value, Flow)
    labels, value = _summed(importer, node, labels, value, set(out))
    return replace(value, index_map=_wide(value.index_map, labels, out), axes=axes)


def _operand(node: Node, value: Value | None) -> Flow | NDArray[np.float64]:
    if not isinstance(value, Constant | Broadcast):
        return needs_flow(node, value, "that is no constant")
    array = full_rank(value) if isinstance(value, Broadcast) else value.array
    if array.dtype.kind != "f":
        raise node.refused(f"multiplies the signal with {describe(value)}, not with a constant of floats")
    return array.astype(np.float64)


def _wide(array: NDArray[Any], labels: _Labels, wanted: Sequence[str]) -> NDArray[Any]:
    """An array with its axes in another order, and with axes of size 1 for labels that it lacks."""
    moved = array.transpose([labels.index(label) for label in wanted if label in labels])
    return np.expand_dims(moved, [place for place, label in enumerate(wanted) if label not in labels])


def _product(importer: Importer, node: Node, one: Any, other: Any, needed: set[str]) -> tuple[_Labels, Any]:
    """The product of two operands, summed over the labels that are not needed any more, and its labels."""
    (labels, a), (other_labels, b) = one, other
    every = list(dict.fromkeys((*labels, *other_labels)))
    if not isinstance(a, Flow) and not isinstance(b, Flow):
        a, b = _wide(a, labels, every), _wide(b, other_labels, every)
        limit(node, math.prod(np.broadcast_shapes(a.shape, b.shape)))
        left = [label for label in every if label in needed]
        return left, (a * b).sum(tuple(place for place, label in enumerate(every) if label not in needed))
    if not isinstance(b, Flow):
        return _weighted(importer, node, (labels, a), (other_labels, b), needed)
    if not isinstance(a, Flow):
        return _weighted(importer, node, (other_labels, b), (labels, a), needed)
    maps = [_wide(flow.index_map, own, every) for flow, own in ((a, labels), (b, other_labels))]
    sizes = np.broadcast_shapes(*(index_map.shape for index_map in maps))
    if math.prod(sizes) > MOST_VALUES:
        raise node.refused(f"makes {math.prod(sizes)} products in a step, more than {MOST_VALUES} that are allowed")
    flows = operands(importer, node, [replace(flow, index_map=own) for flow, own in zip((a, b), maps, strict=True)])
    given = importer.applied(node, Arithmetic(math.prod(sizes), "multiply", importer.dtype), *flows)
    return _summed(importer, node, every, replace(given, index_map=given.index_map.reshape(sizes)), needed)


def _summed(importer: Importer, node: Node, labels: _Labels, flow: Flow, needed: set[str]) -> tuple[_Labels, Flow]:
    """A flow summed over the labels that are not needed."""
    left = [label for label in labels if label in needed]
    if left == labels:
        return labels, flow
    sizes = [size for label, size in zip(labels, flow.index_map.shape, strict=True) if label in needed]
    summed = [place for place, label in enumerate(labels) if label not in needed]
    below = rows_below(flow, summed)
    rows, size = below.index_map.shape
    given = importer.applied(node, Reduce(rows, size, "sum", importer.dtype), below)
    return left, replace(given, index_map=given.index_map.reshape(sizes))


def _weighted(importer: Importer, node: Node, signal: Any, constant: Any, needed: set[str]) -> tuple[_Labels, Flow]:
    """A flow times constants, as dense layers: one for each entry of the axes that both have and keep."""
    (labels, flow), (other_labels, weights) = signal, constant
    wanted = needed | set(labels)
    weights = weights.sum(tuple(place for place, label in enumerate(other_labels) if label not in wanted))
    other_labels = [label for label in other_labels if label in wanted]
    rows = [label for label in labels if label in needed and label not in other_labels]
    groups = [label for label in labels if label in needed and label in other_labels]
    summed = [label for label in labels if label not in needed]
    own = [label for label in other_labels if label not in labels]
    sizes = dict(zip(labels, flow.index_map.shape, strict=True))
    for label, size in zip(other_labels, weights.shape, strict=True):
        sizes[label] = max(size, sizes.get(label, 1))
    n_rows, n_groups, n_summed, n_own = (math.prod(sizes[label] for label in each) for each in (rows, groups, summed, own))
    limit(node, max(n_rows, n_own) * n_groups * n_summed)
    read = [*rows, *groups, *summed]
    index_map = np.broadcast_to(_wide(flow.index_map, labels, read), [sizes[label] for label in read])
    used = [*groups, *own, *summed]
    matrix = np.broadcast_to(_wide(weights, other_labels, used), [sizes[label] for label in used])
    given = grouped_product(
        importer,
        node,
        flow,
        index_map.reshape(n_rows, n_groups * n_summed),
        matrix.reshape(n_groups * n_own, n_summed),
        np.zeros(n_groups * n_own),
        n_groups,
    )
    left = [*rows, *groups, *own]
    return left, replace(given, index_map=given.index_map.reshape([sizes[label] for label in left]))
