"""Second stage: which axis of a graph input is time and which is batch.

Declared shapes do not tell. Nodes do: one that is recurrent or convolves says it of all its axes, one that sums over an axis
says that it lies within a step. So the graph is gone through, leniently, until nothing new is found out; what is left over is
settled by custom.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.graph import Input
from streamrnn_converters.onnx.values import Axis, Size


@dataclass
class Axes:
    """What is known.

    roles   by the name of an axis: "time", "batch" or "feature" (within a step)
    sizes   of axes within a step that the graph leaves open, as the weights tell them
    states  graph inputs that bring initial states
    custom  axes whose role no node has told
    excess  inputs of which too many axes are left over
    """

    roles: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    states: set[str] = field(default_factory=set)
    custom: set[str] = field(default_factory=set)
    excess: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        """How much is known."""
        return len(self.roles) + len(self.sizes) + len(self.states)

    def of_input(self, entry: Input) -> tuple[Axis, ...]:
        """The numbered axes of a graph input."""
        axes = []
        for name, size in zip(_names(entry), entry.sizes, strict=True):
            known = self.sizes.get(name) if size is None else size
            axes.append(Axis(name, Size(1, (name,)) if known is None else known, "input"))
        return tuple(axes)

    def settle(self, inputs: Sequence[Input]) -> None:
        """Give the axes that no node has told anything of their roles.

        In a state they lie within a step, and where time and batch are known. Else the last axis does, if no other is known to,
        and those that are left are the batch, or time and batch; more of them are left for `check` to refuse.
        """
        for entry in inputs:
            names = _names(entry)
            free = [name for name in names if name not in self.roles]
            self.custom |= set(free)
            known = [self.roles[name] for name in names if name in self.roles]
            if entry.name in self.states or {"time", "batch"} <= set(known):
                self.roles |= dict.fromkeys(free, "feature")
                continue
            if free and free[-1] == names[-1] and "feature" not in known and not entry.is_integer and len(names) > 1:
                self.roles[free.pop()] = "feature"
            wanted = [role for role in ("time", "batch") if role not in known][-len(free) :] if free else []
            self.roles |= dict.fromkeys(free, "feature") | dict(zip(free, wanted, strict=False))
            self.excess |= {entry.name} if len(wanted) < len(free) else set()

    def check(self, inputs: Sequence[Input]) -> None:
        """Raise ConversionError for an input that is no array of vectors over time, after all nodes have had their say."""
        for entry in inputs:
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


def _names(entry: Input) -> list[str]:
    return [f"{entry.name}.{index}" for index in range(len(entry.sizes))]
