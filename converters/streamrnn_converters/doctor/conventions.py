"""The conventions of frameworks for a recurrent layer: how weights are stored and computed with."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

from streamrnn import Activation
from streamrnn.activation import LINEAR, RELU, SIGMOID, TANH
from streamrnn.gates import GATE_ORDERS
from streamrnn_converters.doctor.readings import Reading

#: Sigmoids of the gates: logistic; hard in Keras 2, Theano and by default in ONNX; hard in Keras 3 and torch.
SIGMOIDS = (SIGMOID, Activation("hard_sigmoid", 0.2, 0.5), Activation("hard_sigmoid", 1 / 6, 0.5))
HEADS = (LINEAR, SIGMOID, TANH, RELU, Activation("softmax"))

#: Frameworks whose matrices are (I, G H); those of the others are (G H, I).
_BY_COLUMNS = ("keras",)


@dataclass(frozen=True)
class Family:
    """A convention except the order of the gates."""

    sigmoid: Activation = SIGMOID  # of the gates
    form: str = ""  # of a GRU: reset-after or reset-before
    inner: int | None = None  # of a GRU in reset-after: which bias of n, 0 or 1, is multiplied by r; None: neither
    swapped: bool = False  # of a GRU: h' = z n + (1 - z) h
    function: Activation = TANH  # of an RNN
    peepholes: str = ""  # of an LSTM that has them: their order, "ifo"


@dataclass(frozen=True)
class Convention:
    """How arrays are read and computed with."""

    reading: Reading
    family: Family
    order: str  # of the gates: "ifgo"; "" of an RNN
    head: Activation | None

    @property
    def frameworks(self) -> list[str]:
        """Those with this order and layout of the gates."""
        layout = self.reading.layout
        return [
            name
            for name, order in GATE_ORDERS.get(self.reading.kind, {}).items()
            if order == self.order
            and name != "streamrnn"
            and layout in (("columns",) if name in _BY_COLUMNS else ("rows", "buffer"))
            and not self.family.swapped
        ]

    @property
    def gates(self) -> str:
        """`i o f g (onnx)`."""
        if not self.order:
            return "one"
        return f"{' '.join(self.order)} ({', '.join(self.frameworks) or 'of no known framework'})"

    @property
    def details(self) -> str:
        """Form, biases and functions: `reset-after, second bias of n inside the reset, sigmoid`."""
        family, reading = self.family, self.reading
        words = []
        if reading.kind == "gru":
            words.append(family.form)
            if family.form == "reset-after" and reading.biases:
                which = "" if len(reading.biases) == 1 else ("first ", "second ")[family.inner or 0]
                words.append("no bias of n inside the reset" if family.inner is None else f"{which}bias of n inside the reset")
            if family.swapped:
                words.append("h' = z n + (1 - z) h")
        elif len(reading.biases) == 2:
            words.append("two biases, added")
        if family.peepholes:
            words.append(f"peepholes {' '.join(family.peepholes)}")
        if reading.projection is not None:
            words.append(f"projection to {len(reading.projection)}")
        words.append(str(family.function) if reading.kind == "rnn" else str(family.sigmoid))
        if self.head is not None:
            words.append(f"dense head, {self.head}")
        return ", ".join(words)

    @property
    def roles(self) -> str:
        """What each array is."""
        return ", ".join(f"{role}: {name!r}" for name, role in self.reading.roles.items())

    def __str__(self) -> str:
        gates = f"gates {self.gates}, " if self.order else ""
        return f"{self.reading.kind}, {gates}{LAYOUTS[self.reading.layout]}, {self.details}"


LAYOUTS = {
    "rows": "weights (G·H, I)",
    "columns": "weights (I, G·H)",
    "mixed": "one matrix transposed, the other not",
    "buffer": "all weights in one buffer",
}


def families(reading: Reading) -> Iterator[Family]:
    """Every family for a reading, those of known frameworks first."""
    if reading.kind == "rnn":
        yield from (Family(function=function) for function in (TANH, RELU))
        return
    if reading.kind == "lstm":
        known = GATE_ORDERS["lstm.peepholes"].values()
        every = dict.fromkeys([*known, *("".join(order) for order in permutations("ifo"))])
        for peepholes in every if reading.peepholes is not None else ("",):
            yield from (Family(sigmoid, peepholes=peepholes) for sigmoid in SIGMOIDS)
        return
    inner: tuple[int | None, ...] = ((None,), (None, 0), (1, 0, None))[len(reading.biases)]
    for swapped in (False, True):
        for sigmoid in SIGMOIDS:
            yield from (Family(sigmoid, "reset-after", index, swapped) for index in inner)
            yield Family(sigmoid, "reset-before", None, swapped)


def orders(kind: str) -> list[str]:
    """Every order of a kind's gates, those of known frameworks first."""
    known = GATE_ORDERS.get(kind, {"": ""})
    return list(dict.fromkeys([*known.values(), *("".join(order) for order in permutations(next(iter(known.values()))))]))


def heads(reading: Reading) -> tuple[Activation | None, ...]:
    """The functions that a dense head can have; None where there is no head."""
    return (None,) if reading.head is None else HEADS
