"""The kernels of the GPU: `@cuda.jit` over the cells and activations of streamrnn/kernels, which are not written again.

A layer is one or two passes over its weights (streamrnn/cuda/kernels/parts.py). A thread holds the sums of one unit for a few
streams, and adds them up in the order of the CPU: bias, inputs, hidden state, each by a fused multiply-add. `tick` takes many
streams through one pass, `chunk` a few streams through all passes of a layer and many steps.
"""
