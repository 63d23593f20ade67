"""A graph of named nodes, inputs and constants: what parsing gives and all later stages work on."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import ConversionError, ModelError

SHAPES = ("Shape", "Size")  #: operators that ask for the shape of a value only


@dataclass
class Node:
    """A node. Whoever handles it takes the attributes that it understands; those that are left are refused."""

    name: str
    op: str
    inputs: tuple[str, ...]  # "" where an optional input is left out
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    most_values: int = 1 << 22  # limit for a constant that it makes

    def take(self, attribute: str, default: Any = None) -> Any:
        """The value of an attribute, which is removed from those that are left."""
        return self.attributes.pop(attribute, default)

    @property
    def reads(self) -> tuple[str, ...]:
        """The inputs whose values it reads: none, if it only asks for a shape."""
        return () if self.op in SHAPES else self.inputs

    def __str__(self) -> str:
        return f"node {self.name!r} ({self.op})"

    def refused(self, reason: str) -> ConversionError:
        """The error for a node that cannot be imported: which node, why, and what to do."""
        return ConversionError(f"{self}: {reason}")

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Turn every error into a refusal of the node: the code inside trusts the graph to be well-formed."""
        try:
            with np.errstate(all="ignore"):  # values that are not finite are refused where they become weights
                yield
        except ConversionError:
            raise
        except ModelError as error:
            raise self.refused(str(error)) from error
        except Exception as error:
            raise self.refused(
                f"its inputs and attributes do not fit the operator ({error or type(error).__name__})"
            ) from error


class End(Node):
    """A graph output, which refuses what it is given as a node does."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "", (), (name,))

    def refused(self, reason: str) -> ConversionError:
        """The error for an output that cannot be given."""
        return ConversionError(f"graph output {self.name!r}: {reason}")


@dataclass(frozen=True)
class Input:
    """A graph input without an initializer: its name and declared sizes, None where a size is open or not declared."""

    name: str
    sizes: tuple[int | None, ...]
    type: str = "float32"  # by NumPy's names
    open_sizes: tuple[str, ...] = ()  # the names of those that are open and have one
    counts: str = ""  # a state that is integers in the file, of this type, and floats here

    @property
    def is_integer(self) -> bool:
        """Whether its values are integers: row numbers of a table."""
        return self.type in ("int32", "int64")


@dataclass(frozen=True)
class Kept:
    """A state of a loop over the steps of a signal, where the loop stands as what it computes in one step.

    before, after  names of the values that a step takes, and that it gives for the next one
    initial        what it begins with, of size 1 along axes that it is repeated along: then `before` is an input of the graph
                   and `after` an output, which are not in the file. None: what graph inputs bring, moved only
    """

    before: str
    after: str
    initial: NDArray[Any] | None


@dataclass(frozen=True)
class Graph:
    """A checked graph: every name that a node reads is a constant, an input, or the output of a node before it."""

    name: str
    producer: str
    opset: int
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]  # only those that the outputs depend on
    constants: dict[str, NDArray[Any]]
    declared: Mapping[str, Input] = field(default_factory=dict)  # what it says of the shapes and types of its outputs
    defaults: tuple[Input, ...] = ()  # inputs that a caller may leave out: each is among the constants too
    outside: tuple[str, ...] = ()  # for the body of a node: the names that it reads from the graph around it
    remarks: tuple[str, ...] = ()  # what parsing has to say to the user, one sentence each
    kept: tuple[Kept, ...] = ()  # the states of loops

    @property
    def own_states(self) -> dict[str, str]:
        """Inputs and outputs that are not in the file: those of the states of loops."""
        return {each.before: each.after for each in self.kept if each.initial is not None}


def check_names(nodes: list[Node], given: set[str], outputs: tuple[str, ...]) -> None:
    """Check that every name is given only once, and before it is read. That excludes cycles too."""
    produced = Counter(name for node in nodes for name in node.outputs if name)
    for node in nodes:
        for name in node.outputs:
            if name and (produced[name] > 1 or name in given):
                raise node.refused(f"its output {name!r} is given twice in the graph; export it again")
    known, everything = set(given), given | produced.keys()
    for node in nodes:
        body = node.attributes.get("body")
        if isinstance(body, Graph):
            inside = {*body.constants, *(entry.name for entry in body.inputs), *(o for n in body.nodes for o in n.outputs)} - {
                ""
            }
            if again := sorted(inside & everything):
                raise node.refused(f"its body gives {again[0]!r}, which the graph around it gives too; export it again")
        missing = [name for name in node.inputs if name and name not in known]
        if missing:
            raise node.refused(f"reads {missing[0]!r}, which nothing before it gives; export the model again")
        known.update(node.outputs)
    for name in outputs:
        if name not in known:
            raise ConversionError(f"graph output {name!r}: nothing in the graph gives it; export the model again")
    if not outputs:
        raise ConversionError("the graph has no outputs; export the model again")


def needed(nodes: Sequence[Node], outputs: tuple[str, ...]) -> tuple[Node, ...]:
    """The nodes on which the outputs depend."""
    return _behind(nodes, outputs, lambda node: node.inputs)


def computed(nodes: Sequence[Node], outputs: tuple[str, ...]) -> tuple[Node, ...]:
    """The nodes on whose values the outputs depend: not those of which only the shape is asked for."""
    return _behind(nodes, outputs, lambda node: node.reads)


def _behind(nodes: Sequence[Node], outputs: tuple[str, ...], read: Callable[[Node], tuple[str, ...]]) -> tuple[Node, ...]:
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted & set(node.outputs):
            kept.append(node)
            wanted.update(filter(None, read(node)))
    return tuple(reversed(kept))
