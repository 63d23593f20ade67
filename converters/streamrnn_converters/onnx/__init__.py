"""ONNX graphs to models, in stages, which `read` calls one after the other.

parse/      bytes to a checked graph (`graph`)
precision   the types of floats that the signal has, and the compute precision of a stream of it
carried/    which inputs are states that outputs give back: by flow and by name
rewrite/    from graph to graph: loops, unrolled loops and cells that were taken apart become recurrent nodes
axes/       which axis is time and which is batch, all sizes, and all constants: a rule for each operator
importer    lowering: the layers that the nodes are, in one pass; a handler for each operator in operators/
build/      the layers as a model, and how the graph's inputs and outputs map to a stream (`imported`)

rerun/ makes a copy of a graph that onnxruntime can run.
"""

from streamrnn_converters.missing import naming_the_extra

with naming_the_extra("convert"):
    from streamrnn_converters.onnx.read import from_onnx, read_onnx

__all__ = ["from_onnx", "read_onnx"]
