"""The errors of streamrnn.

StreamRNNError
├── ModelError             layers that cannot form a model               (also a ValueError)
├── ArchiveError           a file that is not a whole, unaltered archive (also a ValueError)
├── ConversionError        a foreign model that cannot be imported       (also a ValueError)
├── VerificationError      a comparison that could not be carried out    (also a RuntimeError)
├── InputError             an argument of a wrong shape or type          (also a ValueError)
│   └── NonFiniteInputError    NaN or infinity in an input
├── NonFiniteStateError    a step that overflowed the state; undone      (also an ArithmeticError)
├── SnapshotError          a snapshot of another model, or altered       (also a ValueError)
├── StoreError             a file of states that cannot be used          (also an OSError)
├── StreamBusyError        a stream entered by two threads at once       (also a RuntimeError)
├── DeviceError            a CUDA device that is missing, or fails       (also a RuntimeError)
└── MissingExtraError      an optional package that is not installed     (also an ImportError)

A message says where, what, why and what to do about it.
"""


class StreamRNNError(Exception):
    """Base class of all errors of streamrnn."""


class ModelError(StreamRNNError, ValueError):
    """Layers that cannot form a model: a tensor of a wrong shape, sizes that do not match, weights that are not finite."""


class ArchiveError(StreamRNNError, ValueError):
    """A file that is not a whole, unaltered archive of this or an earlier version."""


class ConversionError(StreamRNNError, ValueError):
    """A foreign model, or a part of it, that cannot be streamed or is not understood."""


class VerificationError(StreamRNNError, RuntimeError):
    """A comparison with a reference that could not be carried out. (A difference is reported, and is not an error.)"""


class InputError(StreamRNNError, ValueError):
    """An argument whose shape or type does not fit. The stream is unchanged."""


class NonFiniteInputError(InputError):
    """NaN or infinity in an input. The stream is unchanged."""


class NonFiniteStateError(StreamRNNError, ArithmeticError):
    """A finite input drove the state out of the range of its dtype. The call is undone; the stream is unchanged.

    slots  in a pool, the slots whose states overflowed; the call is undone for all slots
    keys   in `step_keys`, the keys of these streams
    """

    slots: tuple[int, ...] = ()
    keys: tuple[object, ...] = ()


class SnapshotError(StreamRNNError, ValueError):
    """Bytes that are not a snapshot of this model. The stream is unchanged."""


class StoreError(StreamRNNError, OSError):
    """A store of states that cannot be used: of another model, in use elsewhere, damaged, or on a full disk."""


class StreamBusyError(StreamRNNError, RuntimeError):
    """Two threads used a stream or a pool at once. One caller at a time may use it."""


class DeviceError(StreamRNNError, RuntimeError):
    """There is no usable CUDA device, or it failed. After a failure its memory and the pools in it are lost."""


class MissingExtraError(StreamRNNError, ImportError):
    """An optional package is not installed; the message names the command that installs it."""
