"""`Recipe`: the equations of a kind of layer, from which all its kernels are built: for streams, pools and GPUs.

A step takes a layer through one or more passes over its weights. In a pass, every unit gets some sums. A sum is a bias plus
weights times the values of the vectors that feed it, added in a fixed order. The cell of the pass, a plain Python function,
takes the sums and the states of a unit, and returns what the pass writes: new states, or vectors for a later pass.

A standard LSTM has one pass, whose sums are the gates: `Pass(cell, ("h", "c"), {"x": "i f g o", "h": "i f g o"})`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

#: The name of the vector of a layer's inputs.
X = "x"
#: The name of a cell's parameter that gets the options of the layer: plain numbers.
OPTIONS = "options"


#: The recipes of cells that users have defined, by the path under which the compiler finds them.
OWN: dict[str, "Recipe"] = {}


class Section(NamedTuple):
    """The weights that one vector multiplies in a pass.

    vector   name of the vector
    begins   names of the sums that no earlier section feeds; their biases are the first row
    sums     names of the sums that the vector feeds, in the order in which a row of weights has them
    """

    vector: str
    begins: tuple[str, ...]
    sums: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass over weights.

    cell     a plain function, written with streamrnn.functions. Each parameter has the name of a sum, of a vector of the
             recipe, or `options`. It returns the vectors of `writes`, in that order
    writes   names of the vectors that the cell returns: states, or vectors that later passes read
    feeds    vector -> names of the sums that it feeds, {"x": "r z n", "h": "r z p"}; the vectors in the order of adding
    units    "hidden"; "outputs" for a pass over the outputs of a projection
    flushed  whether to flush what the cell returns to zero; False for a cell that does so itself
    stages   the functions that the cell calls one after the other, where its units go through one before any goes through the
             next. The first takes parameters of the cell; another one also, after what the one before returned. Empty: the cell
             is a stage by itself
    """

    cell: Callable[..., Any]
    writes: tuple[str, ...]
    feeds: Mapping[str, str]
    units: str = "hidden"
    flushed: bool = False
    stages: tuple[Callable[..., Any], ...] = ()

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The weights of the pass, by the vector that they multiply."""
        begun: list[str] = []
        sections = []
        for vector, fed in self.feeds.items():
            names = tuple(fed.split())
            begins = tuple(name for name in names if name not in begun)
            begun += begins
            sections.append(Section(vector, begins, names))
        return tuple(sections)

    @cached_property
    def sums(self) -> tuple[str, ...]:
        """Names of all sums of a unit, in the order in which they begin."""
        return tuple(name for section in self.sections for name in section.begins)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters of the cell."""
        return tuple(inspect.signature(self.cell).parameters)

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """Names of the vectors that the cell takes besides its sums."""
        return tuple(name for name in self.parameters if name not in self.sums and name != OPTIONS)

    @property
    def most_fed(self) -> int:
        """The most sums that a row of weights feeds. The choice of a vector width depends on it."""
        return max(len(section.sums) for section in self.sections)

    @property
    def input_sums(self) -> int:
        """How many sums of a unit the inputs feed."""
        return sum(len(section.sums) for section in self.sections if section.vector == X)


@dataclass(frozen=True, eq=False)
class Recipe:
    """The equations of a kind of layer.

    states            names of the state vectors. Every pass reads them as they were before the step
    passes            in the order of computing
    output            name of the vector that is the layer's output
    check_every_step  True where a state that overflowed can become finite again: then all states are checked after every step.
                      False: the output of the last step tells
    projected         names of the states that are as long as the output, where a projection changes its size
    gathered          names of the vectors that the kernel fills before each step; each has a size of that name
    per_unit          names of vectors of parameters with a number for each unit, such as peepholes; in memory they come after
                      the options
    n_options         how many numbers the options are
    distribution      whether softmax is applied to the output
    bounded           names of the vectors whose values lie between -1 and 1, if the initial states do. With weights that are
                      integers they have a fixed scale; that of other vectors follows their largest value
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
    bounded: tuple[str, ...] = ()

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
        """Names of the vectors that a pass writes and that are no states: for a later pass, or for the output."""
        written = dict.fromkeys(name for one in self.passes for name in one.writes)
        return tuple(name for name in written if name not in self.states)

    @cached_property
    def aside(self) -> dict[str, bool]:
        """States that are written to other memory than they are read from, and copied back after the step.

        Name -> True: always, because a later pass still reads the state. False: only with several panels, because the pass that
        writes it multiplies it too; a single panel has read all of it before it writes.
        """
        aside = {}
        for index, one in enumerate(self.passes):
            for state in (name for name in one.writes if name in self.states):
                if any(state in later.feeds or state in later.reads for later in self.passes[index + 1 :]):
                    aside[state] = True
                elif state in one.feeds:
                    aside[state] = False
        return aside

    @property
    def gates(self) -> tuple[int, ...]:
        """For each pass over the hidden units, the most sums that a row of weights feeds."""
        return tuple(one.most_fed for one in self.passes if one.units == "hidden")

    @property
    def input_sums(self) -> int:
        """How many sums of a unit the inputs feed, over all passes."""
        return sum(one.input_sums for one in self.passes)

    def size_of(self, vector: str) -> str:
        """Name of the size of a vector: "inputs", "hidden", "outputs", or the vector's own name for a gathered one."""
        if vector in self.gathered:
            return vector
        return "inputs" if vector == X else "outputs" if vector in self.projected else "hidden"
