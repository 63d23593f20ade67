"""Finds the convention of undescribed weights by a reference: gate order, layout, form and functions."""

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.checkpoints.files import read_weights
from streamrnn_converters.doctor.conventions import LAYOUTS, Convention
from streamrnn_converters.doctor.diagnosis import Diagnosis, Finding, diagnose
from streamrnn_converters.doctor.references import read_reference
from streamrnn_converters.torch.tensors import Tensors

__all__ = ["LAYOUTS", "Convention", "Diagnosis", "Finding", "diagnose", "read_arrays", "read_reference"]


def read_arrays(data: bytes, extension: str) -> dict[str, NDArray[np.float64]]:
    """All arrays in the bytes of an .npz, .safetensors or .pt, for `diagnose`. Raises as `from_checkpoint` does."""
    tensors = Tensors(read_weights(data, extension).tensors)
    return {name: tensors.take(name, *(None for _ in shape)).astype(np.float64) for name, shape in tensors.shapes.items()}
