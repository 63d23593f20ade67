"""The kernels of the GPU. They use the cells (streamrnn/cells) and the activations (streamrnn/kernels) of the CPU.

A layer is one or two passes over its weights (parts.py), made from its recipe (recipes.py). A thread computes the sums of one
unit for a few streams, in the order of the CPU: bias, inputs, hidden state, each by a fused multiply-add. `tick` takes many
streams through one pass and one step; `chunk` takes a few streams through all passes of a layer and many steps.
"""
