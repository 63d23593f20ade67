"""A copy of a graph that onnxruntime can run."""

from streamrnn_converters.onnx.rerun.float_types import to_float32
from streamrnn_converters.onnx.rerun.layout import time_first


def runnable(data: bytes) -> tuple[bytes, list[str]]:
    """The model with time first and in float32, and what was changed, one sentence each."""
    data, remarks = time_first(data)
    data, more = to_float32(data)
    return data, [*remarks, *more]
