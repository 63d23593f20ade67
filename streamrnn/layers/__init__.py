"""The layer kinds: canonical form, checks and packing, in NumPy alone. One file a kind, its kernel of the same name."""

from streamrnn.layers.dense import Dense
from streamrnn.layers.gru import GRU
from streamrnn.layers.layer import Layer
from streamrnn.layers.lstm import LSTM
from streamrnn.layers.rnn import RNN

#: kind -> class; a new kind is added here.
KINDS: dict[str, type[Layer]] = {cls.kind: cls for cls in (LSTM, GRU, RNN, Dense)}

__all__ = ["GRU", "KINDS", "LSTM", "RNN", "Dense", "Layer"]
