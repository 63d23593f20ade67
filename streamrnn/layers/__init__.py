"""The layer kinds: canonical form, checks and packing, in NumPy only. One file for each kind.

The equations of a kind with a recipe are in the file of the same name in streamrnn/cells; the kernel of another kind is in that
in streamrnn/kernels.
"""

from streamrnn.layers.affine import Affine
from streamrnn.layers.arithmetic import Arithmetic
from streamrnn.layers.bank import Bank
from streamrnn.layers.concat import Concat
from streamrnn.layers.conv1d import Conv1d
from streamrnn.layers.delay import Delay
from streamrnn.layers.dense import Dense
from streamrnn.layers.depthwise import Depthwise
from streamrnn.layers.embedding import Embedding
from streamrnn.layers.frame import Frame
from streamrnn.layers.gru import GRU
from streamrnn.layers.layer import KINDS, Layer
from streamrnn.layers.layernorm import LayerNorm
from streamrnn.layers.lstm import LSTM
from streamrnn.layers.own_cell import OwnCell, cell
from streamrnn.layers.pointwise import Pointwise
from streamrnn.layers.prelu import PRelu
from streamrnn.layers.reduce import Reduce
from streamrnn.layers.reverse import Reverse
from streamrnn.layers.rnn import RNN
from streamrnn.layers.rows import Rows
from streamrnn.layers.scan import Scan
from streamrnn.layers.select import Select
from streamrnn.layers.softmax import Softmax
from streamrnn.layers.state_output import StateOutput
from streamrnn.layers.where import Where

# Add a new kind here.
KINDS |= {
    cls.kind: cls
    for cls in (
        LSTM, GRU, RNN, Dense, Conv1d, Embedding, Pointwise, PRelu, Affine, Softmax, LayerNorm, Arithmetic, Concat, Select,
        Delay, Frame, Depthwise, Reduce, Rows, Bank, Scan, Reverse, Where, StateOutput,
    )
}  # fmt: skip

__all__ = [
    "GRU",
    "KINDS",
    "LSTM",
    "RNN",
    "Affine",
    "Arithmetic",
    "Bank",
    "Concat",
    "Conv1d",
    "Delay",
    "Dense",
    "Depthwise",
    "Embedding",
    "Frame",
    "Layer",
    "LayerNorm",
    "OwnCell",
    "PRelu",
    "Pointwise",
    "Reduce",
    "Reverse",
    "Rows",
    "Scan",
    "Select",
    "Softmax",
    "StateOutput",
    "Where",
    "cell",
]
