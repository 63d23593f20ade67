"""The order in which each framework stacks the gates of a cell, and the conversion from one order to another.

Letters: LSTM i input, f forget, g cell candidate, o output; GRU r reset, z update, n candidate. ONNX calls g and n "c" and
"h". Peepholes (P) have no g.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_Number = TypeVar("_Number", bound=np.floating[Any])

#: {cell: {framework: order}}. "streamrnn" is the order of the canonical arrays of a layer.
GATE_ORDERS: dict[str, dict[str, str]] = {
    "lstm": {
        "streamrnn": "ifgo",
        "torch": "ifgo",  # torch.nn.LSTM: W_ii|W_if|W_ig|W_io
        "onnx": "iofg",  # ONNX LSTM-22: W[iofc]
        "keras": "ifgo",  # keras.layers.LSTM: kernel_i|f|c|o
        "cudnn": "ifgo",  # cudnnGetRNNLinLayerMatrixParams: linLayerID 0..3
    },
    "lstm.peepholes": {
        "streamrnn": "ifo",
        "onnx": "iof",  # ONNX LSTM-22: P[iof]
    },
    "gru": {
        "streamrnn": "rzn",
        "torch": "rzn",  # torch.nn.GRU: W_ir|W_iz|W_in
        "onnx": "zrn",  # ONNX GRU-22: W[zrh]
        "keras": "zrn",  # keras.layers.GRU: kernel_z|r|h
        "cudnn": "rzn",
    },
}


def reorder(gates: NDArray[_Number], cell: str, source: str, target: str = "streamrnn") -> NDArray[_Number]:
    """`gates`, shape (n_gates, …) stacked in the order of `source`, restacked in that of `target`; a copy if they differ."""
    orders = GATE_ORDERS[cell]
    if orders[source] == orders[target]:
        return gates
    return gates[[orders[source].index(gate) for gate in orders[target]]]
