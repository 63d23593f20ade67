"""Steps of a loop that an exporter unrolled, whatever its cell: the same nodes again and again, each time for the next row.

The second step is the pattern. Each later step must be the same nodes with the same constants, reading the next row and what
the step before gave in the same places. The first step is the same with constants in the place of these; what an exporter has
computed of them beforehand must be what the pattern gives for them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.carried.flow import MOVES
from streamrnn_converters.onnx.graph import SHAPES, Graph, Node, needed
from streamrnn_converters.onnx.rewrite.branches import with_known_sizes
from streamrnn_converters.onnx.rewrite.evaluation import evaluated
from streamrnn_converters.onnx.rewrite.unrolled_steps import Rows

_CONSTANT, _OTHER = -1, -2  # levels of what depends on no row, and of what depends on the signal otherwise
_BEGINNING = MOVES | {"ConstantOfShape", "Tile"}
_FEWEST = 3  # steps
_LARGEST = 500  # nodes of a step
_CLOSE = 1e-5  # relative; what an exporter computed beforehand is rounded


class _UnlikeError(Exception):
    """The nodes are no repeated steps."""


@dataclass
class RepeatedSteps:
    """A loop that was found.

    n_steps    how many
    rows       by the name of a row in the pattern: the sequence and the axis of the steps
    nodes      of the pattern
    states     by the name that the pattern reads: what it gives for the next step, and the name of what it begins with
    given      by the name of what nodes after the loop read of all steps, a Concat: the value of the pattern, and the axis
    last       by the name of what they read of the last step: the value of the pattern, also a row or a state before it
    """

    n_steps: int
    rows: dict[str, tuple[str, int]]
    nodes: list[Node]
    states: dict[str, tuple[str, str]] = field(default_factory=dict)
    given: dict[str, tuple[str, int]] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)


def has_rows(graph: Graph) -> bool:
    """Whether a graph takes all rows of a signal one by one."""
    rows = Rows(graph, {name: node for node in graph.nodes for name in node.outputs if name})
    return any(len(own) >= _FEWEST and own == set(range(len(own))) for own in rows.taken().values())


def repeated_steps(graph: Graph) -> RepeatedSteps | None:
    """The loop that a graph is, unrolled; None where it is none."""
    try:
        return _Matching(graph).found()
    except (_UnlikeError, RecursionError):  # also a value that is made of constants by a thousand nodes
        return None


class _Matching:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._constants = with_known_sizes(graph).constants
        self._producers = {name: node for node in graph.nodes for name in node.outputs if name}
        self._keys: dict[str, Any] = {}
        rows = Rows(graph, self._producers)
        steps = {max(own) + 1 for own in rows.taken().values() if own == set(range(len(own))) and len(own) >= _FEWEST}
        if len(steps) != 1:
            raise _UnlikeError
        (self._n,) = steps
        wanted = {key for key, own in rows.taken().items() if own == set(range(self._n))}
        self._rows: dict[str, tuple[tuple[str, int], int]] = {}  # by name: the sequence, and the step
        self._first: dict[tuple[tuple[str, int], int], str] = {}  # by sequence and step: one of the names of the row
        self._same: dict[str, str] = {}  # names of the same row -> one of them
        for name in self._producers:
            row = rows.of(name)
            if row is not None and (row.sequence, row.axis) in wanted:
                self._rows[name] = (row.sequence, row.axis), row.step
                self._same[name] = self._first.setdefault(self._rows[name], name)
        self._brought: set[str] = set()  # what graph inputs bring that are no signals of the loop: it may begin with that
        self._levels = self._found_levels()
        self._steps: list[list[Node]] = [[] for _ in range(self._n)]
        for node in graph.nodes:
            level = max((self._level(name) for name in node.outputs if name), default=_CONSTANT)
            if level >= 0 and self._rows.keys().isdisjoint(node.outputs):
                self._steps[level].append(node)
        self._next: dict[str, str] = {}  # by what the pattern reads of the step before: its own value in that place
        self._values: list[dict[str, str]] = [{} for _ in range(self._n)]  # by value of the pattern: that of another step
        self._initial: dict[str, str] = {}
        self._folded: list[tuple[str, str]] = []

    def found(self) -> RepeatedSteps:
        pattern = self._steps[1]
        if not 0 < len(pattern) <= _LARGEST:
            raise _UnlikeError
        self._values[1] = {name: name for node in pattern for name in node.outputs if name}
        self._values[1] |= {name: name for name, (_, step) in self._rows.items() if step == 1}
        for step in range(2, self._n):
            self._match(step)
        if not self._next:
            raise _UnlikeError
        for name, following in self._next.items():
            self._begin(following, name)
        outside = self._read_outside()
        rows = {name: key for name, (key, step) in self._rows.items() if step == 1}
        loop = RepeatedSteps(self._n, rows, pattern)
        self._read_after(loop, outside)
        if not self._next.keys() <= self._initial.keys():
            raise _UnlikeError
        loop.states |= {name: (following, self._initial[name]) for name, following in self._next.items()}
        if self._folded:
            self._check_folded(loop)
        while any(self._pulled_back(loop, name) for name in list(loop.states)):
            pass
        return loop

    def _found_levels(self) -> dict[str, int]:
        sequences = tuple({sequence for (sequence, _), _ in self._rows.values()})
        signals = {*sequences, *(name for node in needed(self._graph.nodes, sequences) for name in node.inputs)}
        levels = {entry.name: _OTHER if entry.name in signals else _CONSTANT for entry in self._graph.inputs}
        self._brought = {name for name, level in levels.items() if level == _CONSTANT}
        for node in self._graph.nodes:
            below = {levels.get(name, _CONSTANT) for name in node.inputs if name}
            level = _CONSTANT if node.op in SHAPES else _OTHER if _OTHER in below else max(below, default=_CONSTANT)
            for name in node.outputs:
                levels[name] = self._rows[name][1] if name in self._rows else level
            if level == _CONSTANT and node.op not in SHAPES and not self._brought.isdisjoint(node.inputs):
                self._brought.update(node.outputs)
        return levels

    def _level(self, name: str) -> int:
        return self._levels.get(name, _CONSTANT)

    def _one(self, name: str) -> str:
        return self._same.get(name, name)

    def _key(self, name: str) -> Any:
        """What a constant value is, however it is called."""
        if name not in self._keys:
            array, node = self._constants.get(name), self._producers.get(name)
            if array is not None:
                self._keys[name] = array.shape, str(array.dtype), array.tobytes()
            elif node is None:
                self._keys[name] = name
            elif node.op == "Identity":  # torch copies a weight that several nodes read
                self._keys[name] = self._key(node.inputs[0])
            else:
                self._keys[name] = node.outputs.index(name), _form(node), tuple(self._key(read) for read in node.inputs)
        return self._keys[name]

    def _match(self, step: int) -> None:
        """Find the nodes of a step that are those of the pattern."""
        found = self._values[step]
        for name, (key, own) in self._rows.items():
            if own == 1:
                found[name] = self._first[key, step]
        waiting: dict[Any, list[Node]] = {}
        for node in self._steps[step]:
            waiting.setdefault(_form(node), []).append(node)
        is_last = step >= self._n - 2  # what only later steps need is not there, and what follows the loop is
        for node in self._steps[1]:
            likely = waiting.get(_form(node), [])
            index = next((k for k, other in enumerate(likely) if self._is_same(node, other, step)), None)
            if index is not None:
                found.update(zip(node.outputs, likely.pop(index).outputs, strict=True))
            elif not is_last:
                raise _UnlikeError
        if any(waiting.values()) and not is_last:
            raise _UnlikeError

    def _is_same(self, node: Node, other: Node, step: int) -> bool:
        if len(node.inputs) != len(other.inputs):
            return False
        bound: dict[str, str] = {}
        for name, read in zip(map(self._one, node.inputs), map(self._one, other.inputs), strict=True):
            level = self._level(name)
            if level == _CONSTANT:
                if self._level(read) != _CONSTANT or self._key(name) != self._key(read):
                    return False
            elif level == 1:
                if self._values[step].get(name) != read:
                    return False
            elif level != 0 or self._level(read) != step - 1:
                return False
            elif (following := self._next.get(name) or bound.get(name)) is None:
                if step != 2 or read not in self._values[1]:
                    return False
                bound[name] = read
            elif self._values[step - 1].get(following) != read:
                return False
        self._next |= bound
        return True

    def _begin(self, value: str, first: str) -> None:
        """Match a value of the pattern with that of the first step, down to what the states begin with."""
        value, first = self._one(value), self._one(first)
        known = self._values[0].setdefault(value, first)
        if known != first and (self._level(first) >= 0 or self._key(known) != self._key(first)):  # the same zeros, copied
            raise _UnlikeError
        level = self._level(value)
        if level == 0:
            if self._level(first) >= 0 or self._key(self._initial.setdefault(value, first)) != self._key(first):
                raise _UnlikeError
            return
        if value in self._rows:
            if first not in self._rows or self._rows[first] != (self._rows[value][0], 0):
                raise _UnlikeError
            return
        if level == _CONSTANT:
            if self._level(first) != _CONSTANT or self._key(value) != self._key(first):
                raise _UnlikeError
            return
        node, other = self._producers[value], self._producers.get(first)
        if other is None and first in self._graph.constants:
            self._folded.append((value, first))
            return
        if other is None or _form(node) != _form(other) or len(node.inputs) != len(other.inputs):
            raise _UnlikeError
        if node.outputs.index(value) != other.outputs.index(first):
            raise _UnlikeError
        for name, read in zip(node.inputs, other.inputs, strict=True):
            self._begin(name, read)

    def _pulled_back(self, loop: RepeatedSteps, state: str) -> bool:
        """Begin the pattern a node earlier, where a state is computed of others that begin with less: of h, not of R h."""
        following, initial = loop.states.get(state, ("", ""))
        found = [self._producers.get(name) for name in (state, following, initial)]
        nodes = [node for node in found if node is not None and node.op not in _BEGINNING]
        if len(nodes) < len(found) or len({_form(node) for node in nodes}) > 1:
            return False
        if len({node.outputs.index(name) for node, name in zip(nodes, (state, following, initial), strict=True)}) > 1:
            return False
        states = {}
        for name, after, first in zip(*(map(self._one, node.inputs) for node in nodes), strict=True):
            own = after, first
            if self._level(name) == _CONSTANT:
                if self._key(name) != self._key(first):
                    return False
            elif (
                self._level(name) != 0
                or after not in self._values[1]
                or self._level(first) >= 0
                or loop.states.get(name, own)[0] != after
                or self._key(loop.states.get(name, own)[1]) != self._key(first)
            ):
                return False
            else:
                states[name] = own
        if not states:
            return False
        loop.states = {name: own for name, own in loop.states.items() if name not in nodes[0].outputs} | states
        loop.nodes = [nodes[0], *loop.nodes]
        return True

    def _read_outside(self) -> list[Node]:
        """The nodes after the loop."""
        inside = {id(node) for step in self._steps[: max(2, self._n - 2)] for node in step}
        for step in range(2, self._n):
            matched = set(self._values[step].values())
            inside |= {id(node) for node in self._steps[step] if not matched.isdisjoint(node.outputs)}
        inside |= {id(self._producers[name]) for name in self._rows}
        return [node for node in self._graph.nodes if id(node) not in inside]

    def _read_after(self, loop: RepeatedSteps, outside: Sequence[Node]) -> None:
        """What nodes after the loop, and outputs, read of it."""
        back = {self._values[-2][following]: name for name, following in self._next.items() if following in self._values[-2]}
        back |= {other: name for name, other in self._values[-1].items()}
        made = {name for node in outside for name in node.outputs}
        for node in outside:
            if node.op in SHAPES:
                continue
            reads = [name for name in node.inputs if self._level(name) >= 0 and name not in made]
            if not reads:
                continue
            if node.op == "Concat" and len(node.inputs) == self._n and (value := self._in_all(node.inputs)):
                loop.given[node.outputs[0]] = value, node.attributes.get("axis", 0)
                continue
            for name in reads:
                self._read_last(loop, name, back)
        for name in self._graph.outputs:
            if self._level(name) >= 0 and name not in made:
                self._read_last(loop, name, back)

    def _read_last(self, loop: RepeatedSteps, name: str, back: Mapping[str, str]) -> None:
        if self._one(name) not in back:
            raise _UnlikeError
        loop.last[name] = back[self._one(name)]

    def _in_all(self, names: Sequence[str]) -> str:
        """The value of the pattern that some names are in each step, in order; "" where they are none."""
        value = self._one(names[1])
        if value not in self._values[1]:
            return ""
        if any(self._values[step].get(value) != self._one(names[step]) for step in range(2, self._n)):
            return ""
        self._begin(value, names[0])
        return value

    def _check_folded(self, loop: RepeatedSteps) -> None:
        """What was computed of initial states beforehand is what the pattern gives for them."""
        known = {name: self._array(initial) for name, (_, initial) in loop.states.items()}
        for value, first in self._folded:
            expected = self._graph.constants[first]
            given = self._computed(value, known)
            scale = max(1.0, float(np.abs(expected).max(initial=0)))
            if given.size == 0 or np.abs(given - expected).max() > _CLOSE * scale:
                raise _UnlikeError

    def _array(self, name: str) -> NDArray[Any]:
        if (array := initial_array(self._graph, name)) is None:
            raise _UnlikeError
        return array

    def _computed(self, value: str, known: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """A value of the pattern, of states that are known."""
        result = evaluated(list(self._needed(value, known)), {**self._graph.constants, **known}, self._graph.opset, value)
        if result is None:
            raise _UnlikeError
        return result

    def _needed(self, value: str, known: Mapping[str, NDArray[Any]]) -> Iterator[Node]:
        wanted, found = {value}, []
        for node in reversed(self._steps[1]):
            if not wanted.isdisjoint(node.outputs):
                found.append(node)
                wanted.update(name for name in node.inputs if name not in known)
        if any(self._level(name) == 0 or name in self._rows for name in wanted):
            raise _UnlikeError
        return reversed(found)


def initial_array(graph: Graph, name: str) -> NDArray[Any] | None:
    """The numbers of a value that depends on constants alone; None for another."""
    if name in graph.constants:
        return graph.constants[name]
    return evaluated(needed(graph.nodes, (name,)), graph.constants, graph.opset, name)


def _form(node: Node) -> Any:
    """What a node does, whatever it reads."""
    return node.op, tuple((key, _frozen(value)) for key, value in sorted(node.attributes.items())), len(node.outputs)


def _frozen(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.shape, str(value.dtype), value.tobytes()
    return tuple(map(_frozen, value)) if isinstance(value, list) else repr(value)
