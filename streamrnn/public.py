"""The public names of the package. `streamrnn` has them all, and imports this module when one of them is first used."""

from streamrnn import functions
from streamrnn.activation import Activation
from streamrnn.equations import run_equations
from streamrnn.errors import (
    ArchiveError,
    ConversionError,
    DeviceError,
    InputError,
    MissingExtraError,
    ModelError,
    NonFiniteInputError,
    NonFiniteStateError,
    SnapshotError,
    StoreError,
    StreamBusyError,
    StreamRNNError,
    VerificationError,
)
from streamrnn.layers import (
    GRU,
    LSTM,
    RNN,
    Affine,
    Arithmetic,
    Concat,
    Conv1d,
    Delay,
    Dense,
    Embedding,
    Frame,
    Layer,
    LayerNorm,
    Pointwise,
    PRelu,
    Reverse,
    Select,
    Softmax,
    cell,
)
from streamrnn.model import Model, load
from streamrnn.offline import run_offline
from streamrnn.pool import StreamPool
from streamrnn.readiness import compiled
from streamrnn.states.store import StateStore
from streamrnn.stream import Stream
from streamrnn.version import __version__

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "Affine",
    "ArchiveError",
    "Arithmetic",
    "Concat",
    "Conv1d",
    "ConversionError",
    "Delay",
    "Dense",
    "DeviceError",
    "Embedding",
    "Frame",
    "InputError",
    "Layer",
    "LayerNorm",
    "MissingExtraError",
    "Model",
    "ModelError",
    "NonFiniteInputError",
    "NonFiniteStateError",
    "PRelu",
    "Pointwise",
    "Reverse",
    "Select",
    "SnapshotError",
    "Softmax",
    "StateStore",
    "StoreError",
    "Stream",
    "StreamBusyError",
    "StreamPool",
    "StreamRNNError",
    "VerificationError",
    "__version__",
    "cell",
    "compiled",
    "functions",
    "load",
    "run_equations",
    "run_offline",
]
