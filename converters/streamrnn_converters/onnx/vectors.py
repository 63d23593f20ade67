"""The vectors of a step: of a graph input, constants, a layer or the step before, a final state, or another's first step."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Union

import numpy as np
from numpy.typing import NDArray

from streamrnn import Layer


@dataclass(frozen=True, eq=False)
class Source:
    """The values of a graph input, in the order of those of its axes that lie within a step."""

    name: str
    size: int
    is_state: bool = False  # whether the caller carries it from run to run


@dataclass(frozen=True, eq=False)
class Carried:
    """Values of a graph input that is a state, as layers read them: what an output gave for them at the step before."""

    name: str
    indices: tuple[int, ...]  # in the input

    @property
    def size(self) -> int:
        """How many values."""
        return len(self.indices)


@dataclass(frozen=True, eq=False)
class Fixed:
    """Numbers that are the same in every step: padding, or a constant that a signal is joined with."""

    values: NDArray[np.float64]

    @property
    def size(self) -> int:
        """How many there are."""
        return self.values.size


@dataclass(frozen=True, eq=False)
class LayerOutput:
    """What a layer gives for the vectors that it reads."""

    layer: Layer
    reads: tuple["Vector", ...]

    @property
    def size(self) -> int:
        """Values per step."""
        return self.layer.output_size


@dataclass(frozen=True, eq=False)
class FinalState:
    """A state vector of a layer after the last step."""

    of: LayerOutput
    state: str

    @property
    def size(self) -> int:
        """Values of the state."""
        return len(self.of.layer.states[self.state])


@dataclass(frozen=True, eq=False)
class First:
    """A vector at the first step, as it is picked together with that of a backward direction. It can only be cut off."""

    of: "Vector"

    @property
    def size(self) -> int:
        """Values of the step."""
        return self.of.size


Vector = Union[Source, Carried, Fixed, LayerOutput, FinalState, First]  # noqa: UP007 - named in LayerOutput before it is known


def upstream(vectors: Iterable[Vector]) -> set[Vector]:
    """The vectors, and all that they are computed from."""
    found: set[Vector] = set()
    waiting = list(vectors)
    while waiting:
        each = waiting.pop()
        if each not in found and isinstance(each, LayerOutput):
            waiting += each.reads
        found.add(each)
    return found
