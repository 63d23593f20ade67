"""The vectors of a step: from a graph input, from a layer, a final state, or the first step of another vector."""

from dataclasses import dataclass
from typing import Union

from streamrnn import Layer


@dataclass(frozen=True, eq=False)
class Source:
    """The values of a graph input, in the order of those of its axes that lie within a step."""

    name: str
    size: int
    is_state: bool = False  # whether it is the initial state of a layer


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


Vector = Union[Source, LayerOutput, FinalState, First]  # noqa: UP007 - named in LayerOutput before it is known
