"""What is known of the axes of a graph: roles and sizes.

Declared shapes do not say which axis is time. Nodes do, in two ways. A recurrent node or a convolution *tells* the roles of its
axes. A node that mixes the values of an axis, such as a sum over it, *needs* that axis within a step. What is told comes first:
so where the two contradict each other, the node is refused that needs what cannot be.
"""

import copy
import math
from collections.abc import Collection, Mapping, Sequence

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.graph import Graph, Input, Node
from streamrnn_converters.onnx.values import Axis, Kind, Size

_ACROSS = ("time", "batch")
MOST_PLAIN = 3  # axes of an input of time, batch and features


class Roles:
    """What is known.

    opset      of the graph
    roles      by the name of an axis: "time", "batch" or "feature" (within a step)
    sizes      by the name of an axis whose size the graph leaves open: its size, as weights and shapes tell it
    fixed      by the name of an axis of time or batch: the node that fixes its size, which the graph declares open
    several    names of open axes that a node takes to be larger than 1
    states     names of graph inputs that the caller carries from run to run
    lone       names of their axes of size 1, which may stand for an axis of any role
    late       names of axes, in their order in the graph, before whose first entry something is put and nothing after the last,
               as before the first step
    assumed    names of axes whose role no node has told, so that it was chosen
    apart      names of values that depend on some of the signals only
    excess     names of inputs that have more axes than there are roles
    with_needs whether what nodes need counts too, besides what they tell
    one_step   whether all axes lie within a step (`OneStep`)
    """

    one_step = False

    def __init__(self, graph: Graph, time_axes: Mapping[str, int], states: Collection[str] = ()) -> None:
        self.opset = graph.opset
        self.inputs = graph.inputs
        self.roles: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.fixed: dict[str, Node] = {}
        self.several: set[str] = set()
        self.states: set[str] = set(states)
        self.assumed: set[str] = set()
        self.excess: set[str] = set()
        self.with_needs = False
        self.lone: set[str] = set()
        self.late: dict[str, None] = {}
        batches = {size for entry in graph.inputs if entry.name not in states for size in entry.sizes[:2]}
        for entry in graph.inputs:
            for name, size in zip(names_of(entry), entry.sizes, strict=True) if entry.name in states else ():
                if size == 1:
                    self.lone.add(name)
                elif size is not None and batches.isdisjoint({size, None}):  # another size than a batch has
                    self.roles[name] = "feature"
        self._sources: dict[str, str] = {}  # by the name of an axis, who has told its role
        self.apart = _apart(graph, [entry.name for entry in graph.inputs if entry.name not in states])
        self._makers = {name: node for node in graph.nodes for name in node.outputs if name}
        for entry in graph.inputs:
            if entry.name in time_axes:
                name = names_of(entry)[time_axes[entry.name]]
                self.roles[name], self._sources[name] = "time", "time_axis"

    def copied(self) -> "Roles":
        """What is known, to go on from in another direction."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | set):
                setattr(other, name, value.copy())
        return other

    @property
    def tells_time(self) -> bool:
        """Whether a node, or the caller, has told which axis is time."""
        return any(role == "time" and name not in self.assumed for name, role in self.roles.items())

    @property
    def n_facts(self) -> int:
        """How much is known."""
        return len(self.roles) + len(self.sizes) + len(self.states)

    def of_input(self, entry: Input) -> tuple[Axis, ...]:
        """The numbered axes of a graph input."""
        axes = []
        for name, size in zip(names_of(entry), entry.sizes, strict=True):
            known = self.sizes.get(name) if size is None else size
            kind: Kind = "one" if name in self.lone else "input"
            axes.append(Axis(name, Size(1, (name,)) if known is None else known, kind))
        return tuple(axes)

    def role(self, axis: Axis) -> str:
        """What an axis runs over: "time", "batch", "feature", "layer", "one" (inserted by the graph), "merged" (with time or
        batch among its parts), or "unknown".
        """
        if axis.parts:
            parts = {self.role(part) for part in axis.parts}
            return "unknown" if "unknown" in parts else "merged" if parts & {*_ACROSS} else "feature"
        if axis.kind == "repeated" and self.with_needs:  # no node has told that it is time
            return self.roles.get(axis.name, "feature")
        return self.roles.get(axis.name, "unknown" if axis.kind in ("input", "repeated") else axis.kind)

    def is_within(self, axis: Axis) -> bool:
        """Whether an axis lies within a step."""
        return self.role(axis) not in (*_ACROSS, "merged", "unknown")

    def broad(self, axis: Axis) -> str:
        """The role of an axis, "within" for all that lie within a step."""
        return "within" if self.is_within(axis) else self.role(axis)

    def over_time(self, axis: Axis) -> bool:
        """Whether an axis has several steps, or may have."""
        return any(self.role(part) == "time" and part.size != 1 for part in axis.parts or (axis,))

    def extents(self, axes: Sequence[Axis]) -> tuple[int, ...]:
        """The sizes within a step: 1 along time and batch; of a merged axis those of its parts, multiplied."""
        return tuple(
            math.prod(part.size for part in axis.parts or (axis,) if self.is_within(part) and isinstance(part.size, int))
            for axis in axes
        )

    def bind(self, node: Node, axis: Axis, role: str, size: int | None = None) -> Axis:
        """The axis, which a node tells to be "time", "batch" or "feature" (within a step), and of this size.

        Raises ConversionError where it is already known as another.
        """
        if axis.name in self.lone:  # of a state: it stands for an axis of any role
            return axis
        known = self.role(axis)
        if known != role and known not in ("unknown", "one") and (known in (*_ACROSS, "merged") or role != "feature"):
            at_once = (known, role) == ("time", "feature")
            raise node.refused(
                f"what is its {role} axis is the {known} axis of the signal{self.told_by(axis)}; "
                + ("it needs all of time at once, and a stream has one step" if at_once else "a stream goes over time only")
            )
        if axis.parts and role in _ACROSS:
            raise node.refused(f"what is its {role} axis was merged of several axes of the signal; export them apart")
        sized = self._sized(axis, size)
        for part in axis.parts or (axis,):
            own = self.role(part)
            vanishes = axis.parts and self.sizes.get(part.name) == 1
            if (own == "unknown" and not vanishes) or (own == "one" and role != "feature"):
                self.roles[part.name], self._sources[part.name] = role, str(node)
        return sized

    def need(self, node: Node, axis: Axis, size: int | None = None) -> Axis:
        """The axis, which a node needs within a step, and of this size. Raises ConversionError where it is time or batch."""
        if self.with_needs or self.role(axis) != "unknown":
            return self.bind(node, axis, "feature", size)
        return self._sized(axis, size)

    def has_other_batch(self, axis: Axis) -> bool:
        """Whether an axis of a graph input with several axes within a step has a lone one beside it, that of the batch."""
        for entry in self.inputs:
            names = names_of(entry)
            if axis.name in names and axis.size != 1 and isinstance(axis.size, int) and len(names) > MOST_PLAIN:
                return any(size == 1 and self.roles.get(name) is None for name, size in zip(names, entry.sizes, strict=True))
        return False

    def fix(self, node: Node, name: str, size: int) -> None:
        """Give an axis of a graph input the size to which a node fixes it."""
        self.sizes[name], self.fixed[name] = size, node

    def bind_alike(self, node: Node, one: Axis, other: Axis) -> None:
        """Give two axes along which values meet the same role, where only one of them has one."""
        if len(one.parts) == len(other.parts) > 0:
            for own, another in zip(one.parts, other.parts, strict=True):
                self.bind_alike(node, own, another)
            return
        if one.parts or other.parts:
            return
        if (one.size == 1) != (other.size == 1):
            self._repeat(node, *((one, other) if one.size == 1 else (other, one)))
            return
        for axis, example in ((one, other), (other, one)):
            role = self.role(example)
            if self.role(axis) == "unknown" != role and (axis.size != 1 or role in _ACROSS):
                self.roles[axis.name] = role if role in _ACROSS else "feature"
                self._sources[axis.name] = self._sources.get(example.name, str(node))

    def _repeat(self, node: Node, lone: Axis, wide: Axis) -> None:
        """An axis of size 1 that meets a longer one of time or batch is neither: it holds what is the same for all."""
        if self.with_needs and self.role(lone) == "unknown" and self.role(wide) in _ACROSS:
            self.roles[lone.name], self._sources[lone.name] = "feature", str(node)

    def told_by(self, axis: Axis) -> str:
        """Who has told the role of an axis, as the end of a clause."""
        for part in axis.parts or (axis,):
            if part.name in self._sources:
                return f", as {self._sources[part.name]} tells"
            if maker := self._makers.get(part.name.rpartition(".")[0]):
                return f", as {maker} makes it"
        return ""

    def assume(self, choice: Mapping[str, str]) -> None:
        """Take roles, by the name of an axis, that no node has told."""
        self.roles |= choice
        self.assumed |= choice.keys()

    def check(self) -> None:
        """Raise ConversionError for an input that is no array of vectors over time. Call it after all nodes were visited."""
        for entry in self.inputs:
            where, own = f"graph input {entry.name!r}", [self.roles.get(name, "one") for name in names_of(entry)]
            if entry.name in self.excess:
                raise ConversionError(
                    f"{where}: has axes that are neither time, batch nor features; export the model without them, or say which "
                    "is time: from_onnx(path, time_axis=…), streamrnn import --time-axis"
                )
            for role in _ACROSS:
                if own.count(role) > 1:
                    raise ConversionError(f"{where}: would have two {role} axes; export the model with one of each")
            for name, role, size in zip(names_of(entry), own, entry.sizes, strict=True):
                if role == "feature" and size is None and name not in self.sizes:
                    raise ConversionError(
                        f"{where}: leaves the size of axis {name.rpartition('.')[2]} open, which lies within a step; export "
                        "the model with a fixed one"
                    )

    def _sized(self, axis: Axis, size: int | None) -> Axis:
        if size is None or not isinstance(axis.size, Size):
            return axis
        open_parts = [part for part in axis.parts or (axis,) if isinstance(part.size, Size)]
        own, rest = divmod(size, math.prod(part.size for part in axis.parts if isinstance(part.size, int)))
        if len(open_parts) == 1 and open_parts[0].kind == "input" and not rest:
            self.sizes[open_parts[0].name] = own
        return axis._replace(size=size)


def _apart(graph: Graph, signals: Sequence[str]) -> frozenset[str]:
    """The values that depend on a graph input, but not on all signals."""
    read: dict[str, frozenset[str]] = {name: frozenset({name}) for name in signals}
    for node in graph.nodes:
        own = frozenset[str]().union(*(read.get(name, ()) for name in node.reads))
        read.update(dict.fromkeys(node.outputs, own))
    return frozenset(name for name, own in read.items() if 0 < len(own) < len(signals))


def inserted(node: Node, index: int) -> Axis:
    """An axis of size 1 that a node inserts at an index."""
    return Axis(f"{node.outputs[0]}.one.{index}", 1, "one")


def names_of(entry: Input) -> list[str]:
    """The names of the axes of a graph input."""
    return [f"{entry.name}.{index}" for index in range(len(entry.sizes))]
