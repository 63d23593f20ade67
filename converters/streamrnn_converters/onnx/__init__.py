"""ONNX graphs to models, in stages: `parse` (bytes to a checked graph), `interpret` (what every value is, by the handlers in
`plumbing`, `recurrent` and `dense`), `read` (outputs to a model). `layout` makes a graph that onnxruntime can run.
"""

from streamrnn_converters.missing import naming_the_extra

with naming_the_extra("convert"):
    from streamrnn_converters.onnx.read import from_onnx, read_onnx

__all__ = ["from_onnx", "read_onnx"]
