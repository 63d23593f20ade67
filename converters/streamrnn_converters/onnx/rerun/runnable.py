"""A copy of a graph that onnxruntime can run."""

from streamrnn_converters.onnx.parse.dequantised import dequantised
from streamrnn_converters.onnx.rerun.float_types import to_float32
from streamrnn_converters.onnx.rerun.layout import time_first


def runnable(data: bytes) -> tuple[bytes, list[str]]:
    """The model with weights of floats, time first and in float32, and what was changed, one sentence each.

    Of weights that were integers the import has spoken already.
    """
    data, remarks = time_first(dequantised(data)[0])
    data, more = to_float32(data)
    return data, [*remarks, *more]
