"""What is known of the axes of a graph: roles and sizes.

Declared shapes do not say which axis is time. Nodes do: a recurrent node or a convolution tells the roles of all its axes, a
node that sums over an axis tells that this axis lies within a step. Axes that no node tells about are settled by convention.
"""

from collections.abc import Sequence

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.graph import Graph, Input, Node
from streamrnn_converters.onnx.values import Axis, Size


class Roles:
    """What is known.

    opset    of the graph
    roles    by the name of an axis: "time", "batch" or "feature" (within a step)
    sizes    by the name of an axis within a step whose size the graph leaves open: its size, as the weights tell it
    states   names of graph inputs that bring initial states
    assumed  names of axes whose role no node has told, so that `settle` chose it
    excess   names of inputs that have more axes than there are roles
    """

    def __init__(self, graph: Graph) -> None:
        self.opset = graph.opset
        self._inputs = graph.inputs
        self.roles: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.states: set[str] = set()
        self.assumed: set[str] = set()
        self.excess: set[str] = set()

    @property
    def n_facts(self) -> int:
        """How much is known."""
        return len(self.roles) + len(self.sizes) + len(self.states)

    def of_input(self, entry: Input) -> tuple[Axis, ...]:
        """The numbered axes of a graph input."""
        axes = []
        for name, size in zip(_names(entry), entry.sizes, strict=True):
            known = self.sizes.get(name) if size is None else size
            axes.append(Axis(name, Size(1, (name,)) if known is None else known, "input"))
        return tuple(axes)

    def role(self, axis: Axis) -> str:
        """What an axis runs over: "time", "batch", "feature", "layer", "one" (inserted by the graph), or "unknown"."""
        return self.roles.get(axis.name, "unknown" if axis.kind == "input" else axis.kind)

    def is_within(self, axis: Axis) -> bool:
        """Whether an axis lies within a step."""
        return self.role(axis) not in ("time", "batch", "unknown")

    def broad(self, axis: Axis) -> str:
        """The role of an axis, "within" for all that lie within a step."""
        return "within" if self.is_within(axis) else self.role(axis)

    def extents(self, axes: Sequence[Axis]) -> tuple[int, ...]:
        """The sizes within a step: 1 along time and batch."""
        return tuple(axis.size if self.is_within(axis) and isinstance(axis.size, int) else 1 for axis in axes)

    def bind(self, node: Node, axis: Axis, role: str, size: int | None = None) -> Axis:
        """The axis, known from now on as "time", "batch" or "feature" (within a step), and of this size.

        Raises ConversionError where it is already known as another.
        """
        known = self.role(axis)
        if known != role and known not in ("unknown", "one") and (known in ("time", "batch") or role != "feature"):
            raise node.refused(f"what is its {role} axis is the {known} axis of the signal; a stream goes over time only")
        if known == "unknown" or (known == "one" and role != "feature"):
            self.roles[axis.name] = role
        if size is not None and isinstance(axis.size, Size) and axis.kind == "input":
            self.sizes[axis.name] = size
            return axis._replace(size=size)
        return axis

    def bind_alike(self, node: Node, one: Axis, other: Axis) -> None:
        """Give two axes along which values meet the same role, where only one of them has one."""
        roles = self.role(one), self.role(other)
        for axis, own, wanted in ((one, roles[0], roles[1]), (other, roles[1], roles[0])):
            if own == "unknown" and wanted != "unknown" and axis.size != 1:
                self.bind(node, axis, wanted if wanted in ("time", "batch") else "feature")

    def settle(self) -> None:
        """Give a role to each axis of an input that no node has told about.

        Where time and batch are known, and in a state, the others lie within a step. Else the last axis does, if no other is
        known to. The rest are batch, or time and batch; if there are still more, `check` refuses the input.
        """
        for entry in self._inputs:
            names = _names(entry)
            free = [name for name in names if name not in self.roles]
            self.assumed |= set(free)
            known = [self.roles[name] for name in names if name in self.roles]
            if entry.name in self.states or {"time", "batch"} <= set(known):
                self.roles |= dict.fromkeys(free, "feature")
                continue
            if free and free[-1] == names[-1] and "feature" not in known and not entry.is_integer and len(names) > 1:
                self.roles[free.pop()] = "feature"
            wanted = [role for role in ("time", "batch") if role not in known][-len(free) :] if free else []
            self.roles |= dict.fromkeys(free, "feature") | dict(zip(free, wanted, strict=False))
            self.excess |= {entry.name} if len(wanted) < len(free) else set()

    def check(self) -> None:
        """Raise ConversionError for an input that is no array of vectors over time. Call it after all nodes were visited."""
        for entry in self._inputs:
            where, own = f"graph input {entry.name!r}", [self.roles[name] for name in _names(entry)]
            if entry.name in self.excess:
                raise ConversionError(
                    f"{where}: has axes that are neither time, batch nor features; export the model without them"
                )
            for role in ("time", "batch"):
                if own.count(role) > 1:
                    raise ConversionError(f"{where}: would have two {role} axes; export the model with one of each")
            for name, role, size in zip(_names(entry), own, entry.sizes, strict=True):
                if role == "feature" and size is None and name not in self.sizes:
                    raise ConversionError(
                        f"{where}: leaves the size of axis {name.rpartition('.')[2]} open, which lies within a step; export "
                        "the model with a fixed one"
                    )


def inserted(node: Node, index: int) -> Axis:
    """An axis of size 1 that a node inserts at an index."""
    return Axis(f"{node.outputs[0]}.one.{index}", 1, "one")


def _names(entry: Input) -> list[str]:
    return [f"{entry.name}.{index}" for index in range(len(entry.sizes))]
