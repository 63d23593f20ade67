"""The recurrent operators of ONNX: the one list that all parts of the importer take them from."""

from typing import NamedTuple


class RecurrentKind(NamedTuple):
    """What the definitions of the operators differ in."""

    n_gates: int
    states: tuple[str, ...]  # names of its state vectors, in the order of the inputs initial_h, initial_c


RECURRENT_KINDS = {
    "LSTM": RecurrentKind(4, ("h", "c")),
    "GRU": RecurrentKind(3, ("h",)),
    "RNN": RecurrentKind(1, ("h",)),
}
INITIAL_STATES = 5  # index of the input initial_h; initial_c comes after it
