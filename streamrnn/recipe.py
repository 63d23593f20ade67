"""`Recipe`: a kind of layer as its equations, from which every kernel of it is made.

A step takes a layer through passes over its weights. In each, every unit gets sums: a bias, and then, in a fixed order, the
rows of the vectors that feed it. Its cell, a plain function of these sums and of vectors, gives what the pass writes.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

#: The vector of a layer's inputs.
X = "x"
#: The parameter of a cell that is given the numbers of its options.
OPTIONS = "options"


#: The recipes of cells that users have defined, by where the compiler looks for them.
OWN: dict[str, "Recipe"] = {}


class Section(NamedTuple):
    """The weights that one vector multiplies in a pass.

    vector   its name
    begins   sums that are fed here for the first time: a row of biases begins them
    sums     sums that each row of weights feeds, in the order of the row
    """

    vector: str
    begins: tuple[str, ...]
    sums: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass over weights.

    cell    a plain function; each parameter is named for a sum, a vector of the recipe, or `options`; written with
            streamrnn.functions. It gives what `writes` names, in that order
    writes  the vectors that it gives: states, or vectors that later passes read
    feeds   in the order of summing: a vector -> the sums that it feeds, by name: {"x": "r z n", "h": "r z p"}
    units   "hidden", or "outputs" for a pass over the outputs of a projection
    flushed whether what the cell gives is flushed to zero where it is next to nothing, for a cell that does not do so itself
    """

    cell: Callable[..., Any]
    writes: tuple[str, ...]
    feeds: Mapping[str, str]
    units: str = "hidden"
    flushed: bool = False

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The weights by the vector that they multiply."""
        begun: list[str] = []
        found = []
        for vector, fed in self.feeds.items():
            names = tuple(fed.split())
            begins = tuple(name for name in names if name not in begun)
            begun += begins
            found.append(Section(vector, begins, names))
        return tuple(found)

    @cached_property
    def sums(self) -> tuple[str, ...]:
        """All sums, in the order in which they begin."""
        return tuple(name for section in self.sections for name in section.begins)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """What the cell takes, by name."""
        return tuple(inspect.signature(self.cell).parameters)

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """The vectors that the cell takes beside its sums."""
        return tuple(name for name in self.parameters if name not in self.sums and name != OPTIONS)

    @property
    def most_fed(self) -> int:
        """Sums that a row feeds, at most: what the choice of a vector width rests on."""
        return max(len(section.sums) for section in self.sections)

    @property
    def input_sums(self) -> int:
        """Sums that the inputs feed."""
        return sum(len(section.sums) for section in self.sections if section.vector == X)


@dataclass(frozen=True, eq=False)
class Recipe:
    """A kind of layer.

    states            its state vectors; every pass reads them as they were before the step
    passes            one after the other
    output            the vector that is the layer's output
    check_every_step  whether a state that overflowed can become finite again, so that all states must be looked at after every
                      step; else the last step of a call tells, by the output alone
    projected         the states that are as long as the output, where a projection gives that a size of its own
    gathered          vectors that the kernel fills before each step, of a size that has their name
    per_unit          vectors of parameters with a number for each unit, such as peepholes; they follow the options
    n_options         plain numbers of the options
    distribution      whether a softmax is made of the output
    """

    states: tuple[str, ...]
    passes: tuple[Pass, ...]
    output: str = "h"
    check_every_step: bool = True
    projected: tuple[str, ...] = ()
    gathered: tuple[str, ...] = ()
    per_unit: tuple[str, ...] = ()
    n_options: int = 0
    distribution: bool = False

    def __post_init__(self) -> None:
        known = {X, *self.states, *self.gathered, *self.per_unit}
        for index, one in enumerate(self.passes):
            if unknown := [name for name in (*one.feeds, *one.reads) if name not in known]:
                raise ValueError(f"pass {index}: no vector is called {', '.join(unknown)}")
            if unused := [name for name in one.sums if name not in one.parameters]:
                raise ValueError(f"pass {index}: the cell takes no {', '.join(unused)}")
            if X in one.reads:
                raise ValueError(f"pass {index}: the cell reads {X!r}, which has no value for each unit")
            known |= set(one.writes)
        if missing := [state for state in self.states if not any(state in one.writes for one in self.passes)]:
            raise ValueError(f"no pass writes {', '.join(missing)}")
        if not any(self.output in one.writes for one in self.passes):
            raise ValueError(f"no pass writes the output, {self.output!r}")

    @cached_property
    def between(self) -> tuple[str, ...]:
        """Vectors that passes leave to each other, or to the output."""
        written = dict.fromkeys(name for one in self.passes for name in one.writes)
        return tuple(name for name in written if name not in self.states)

    @cached_property
    def aside(self) -> dict[str, bool]:
        """States that must not be written in place -> whether not even where one panel holds all units.

        A state that a later pass still reads is written aside. One that only its own pass multiplies is too, unless a single
        panel has read all of it before it writes.
        """
        found = {}
        for index, one in enumerate(self.passes):
            for state in (name for name in one.writes if name in self.states):
                if any(state in later.feeds or state in later.reads for later in self.passes[index + 1 :]):
                    found[state] = True
                elif state in one.feeds:
                    found[state] = False
        return found

    @property
    def gates(self) -> tuple[int, ...]:
        """For each pass over the hidden units, how many sums a row feeds at most."""
        return tuple(one.most_fed for one in self.passes if one.units == "hidden")

    @property
    def input_sums(self) -> int:
        """Sums of a unit that the inputs feed, over all passes."""
        return sum(one.input_sums for one in self.passes)

    def size_of(self, vector: str) -> str:
        """What tells how many values a vector has: "inputs", "hidden", "outputs", or the name of a gathered one."""
        if vector in self.gathered:
            return vector
        return "inputs" if vector == X else "outputs" if vector in self.projected else "hidden"
