"""ONNX graphs to models, in stages, which `read` calls one after the other.

parse          bytes to a checked graph
precision      the types of floats that the signal has, and which a stream of it computes in
guards         softplus without its guard
loops          Loop and Scan over time as recurrent nodes
lifting        cells that were taken apart, and loops that were unrolled, as recurrent nodes (`cells`, `linear`, `rows`)
axes           which axis is time, which is batch
interpret      what every value is; its handlers are `constants`, `moving`, `picking`, `elementwise`, `dense`, `normalization`,
               `convolution` and `recurrent`
assemble       the layers of a model, neighbours made one by `fuse`
ends, carried  what of the graph's inputs and outputs is signal, and which states go from run to run

`runnable` makes a graph that onnxruntime can run (`layout`, `single`).
"""

from streamrnn_converters.missing import naming_the_extra

with naming_the_extra("convert"):
    from streamrnn_converters.onnx.read import from_onnx, read_onnx

__all__ = ["from_onnx", "read_onnx"]
