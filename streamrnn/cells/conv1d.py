"""A causal convolution over time (ONNX Conv-11; torch.nn.Conv1d). Form: streamrnn/layers/conv1d.py.

Its kernels (streamrnn/kernels/conv1d.py) gather the inputs of the past taps in the vector `before`, and keep the inputs that
later steps need.
"""

from streamrnn.recipe import Pass, Recipe


def conv1d_cell(s):
    """y = bias + sum over the taps, from the oldest to the present, of their matrix times the input of their step."""
    return s


conv1d = Recipe(
    (), (Pass(conv1d_cell, ("y",), {"before": "s", "x": "s"}),), output="y", check_every_step=False, gathered=("before",)
)
