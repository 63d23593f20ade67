"""A layer of a Keras config: what it reads, its options, its weights, and what is common to several classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamrnn import Activation
from streamrnn.errors import ConversionError
from streamrnn_converters.formats.json_values import real_number
from streamrnn_converters.formats.keras.functions import function
from streamrnn_converters.formats.keras_weights import KerasWeights


@dataclass(frozen=True)
class Value:
    """What a Keras layer gives: a layer's index, whether it still has a time axis, zeros before its first step."""

    index: int
    has_time: bool
    zeros: int = 0


@dataclass(frozen=True)
class KerasLayer:
    """A layer of the config. What its methods raise is a ConversionError that names it."""

    where: str  # for messages: layer 'gru_1' (GRU)
    config: Mapping[str, Any]
    weights: KerasWeights
    source: Value  # what it reads
    version: str  # of Keras

    def gives(self, index: int) -> Value:
        """The value that a layer's index is, with a time axis where the source has one."""
        return Value(index, self.source.has_time)

    def function(self, default: str = "linear", name: str = "activation") -> Activation:
        """The function that an option names."""
        return function(f"{self.where}, {name}", self.config.get(name, default), self.version)

    @property
    def cell_functions(self) -> tuple[Activation, Activation]:
        """Of the gates, and of the candidate."""
        return self.function("sigmoid", "recurrent_activation"), self.function("tanh")

    @property
    def epsilon(self) -> float:
        """What is added to a variance."""
        return real_number(f"{self.where}, epsilon", self.config.get("epsilon"))

    def expect_bias(self, n_others: int) -> None:
        """Check that there are so many arrays, and a bias where the config says so."""
        self.weights.expect(n_others + bool(self.config.get("use_bias", True)))

    def check_time(self) -> None:
        """Check that what it reads has a time axis."""
        if not self.source.has_time:
            raise ConversionError(f"{self.where}: reads a value without a time axis; save the model again")

    def check_last_axis(self) -> None:
        """Check that it works along the values of a step."""
        axis = only_item(self.config.get("axis", -1))
        if axis not in (-1, 1 + self.source.has_time):
            raise ConversionError(f"{self.where}: axis {self.config['axis']!r:.40} is not that of the values of a step")


def only_item(value: Any) -> Any:
    """The one item of a list, which Keras writes for a number of one axis."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
