"""The parts of a model: found in a tree of modules, or described by the user as "lstm:rnn, dense:head:softmax, skip"."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamrnn import Activation
from streamrnn.activation import LINEAR, TANH
from streamrnn.errors import ConversionError

#: Kind -> the number of gates that are stacked in its weights.
N_GATES = {"lstm": 4, "gru": 3, "rnn": 1}

#: Name in torch.nn.functional -> the function, with torch's default parameters.
ACTIVATIONS = {
    "tanh": TANH,
    "sigmoid": Activation("sigmoid"),
    "relu": Activation("relu"),
    "softmax": Activation("softmax"),
    "leaky_relu": Activation("leaky_relu", 0.01),
    "elu": Activation("elu", 1.0),
    "softplus": Activation("softplus"),
    "softsign": Activation("softsign"),
    "hardsigmoid": Activation("hard_sigmoid", 1 / 6, 0.5),  # relu6(x + 3) / 6
    "gelu": Activation("gelu"),
    "silu": Activation("silu"),
}

#: Kind -> the function of a part whose description names none.
_DEFAULTS = {"lstm": None, "gru": None, "rnn": TANH, "dense": LINEAR}

_SYNTAX = 'layers="lstm:rnn, dense:head": lstm:PREFIX, gru:PREFIX, rnn:PREFIX[:relu], dense:PREFIX[:ACTIVATION], skip'

#: The entry for the sum of the output so far and the input of the model. It has no tensors.
SKIP = "skip"


@dataclass(frozen=True)
class Part:
    """One torch module, whose tensors are named "prefix.…", or a skip."""

    kind: str  # lstm, gru, rnn, dense or skip
    prefix: str
    activation: Activation | None  # of rnn and dense

    def __str__(self) -> str:
        return f"{self.kind} {self.prefix!r}" if self.prefix else self.kind

    @property
    def entry(self) -> str:
        """Kind and prefix as in a description: "lstm:rnn"."""
        return SKIP if self.kind == SKIP else f"{self.kind}:{self.prefix}"

    def tensor(self, name: str) -> str:
        """`name` with the prefix before it."""
        return f"{self.prefix}.{name}" if self.prefix else name


def parse(description: str | Sequence[str]) -> list[Part]:
    """The parts that a description names. Raises ConversionError where it is not understood."""
    entries = description.split(",") if isinstance(description, str) else description
    if not isinstance(entries, Sequence) or not entries or not all(isinstance(entry, str) for entry in entries):
        raise ConversionError(f"layers={description!r} is not a description; write one such as {_SYNTAX}")
    return [_parse(entry.strip()) for entry in entries]


def _parse(entry: str) -> Part:
    if entry == SKIP:
        return Part(SKIP, "", None)
    kind, *rest = (word.strip() for word in entry.split(":"))
    if kind not in _DEFAULTS or not 1 <= len(rest) <= 2:
        raise ConversionError(f"layers: {entry!r} is not understood; write {_SYNTAX}")
    if len(rest) == 1:
        return Part(kind, rest[0], _DEFAULTS[kind])
    known = {"lstm": [], "gru": [], "rnn": ["tanh", "relu"], "dense": list(ACTIVATIONS)}[kind]
    prefix, name = rest
    if name not in known:
        choice = f"one of {', '.join(known)}" if known else f"none: a {kind} has no other activation"
        raise ConversionError(f"layers: {entry!r}: activation {name!r} is not {choice}")
    return Part(kind, prefix, ACTIVATIONS[name])
