"""The vectors of a step: what a graph input brings, what a layer makes of others, the states that it is left in, and a step."""

from dataclasses import dataclass
from typing import Union

from streamrnn import Layer


@dataclass(frozen=True, eq=False)
class Source:
    """The values of a graph input, in the order of those of its axes that lie within a step."""

    name: str
    size: int
    is_state: bool = False  # whether a layer begins with it


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
    """What a vector gives at the first step, picked beside that of a backward direction: good for nothing but to be cut off."""

    of: "Vector"

    @property
    def size(self) -> int:
        """Values of the step."""
        return self.of.size


Vector = Union[Source, LayerOutput, FinalState, First]  # noqa: UP007 - named in LayerOutput before it is known
