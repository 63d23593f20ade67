"""The sums of a causal convolution over time (ONNX Conv-11; torch.nn.Conv1d). Form: streamrnn/layers/conv1d.py.

Its kernels put the inputs of the taps before the present one side by side, and keep what later steps need.
"""

from streamrnn.recipe import Pass, Recipe


def conv1d_cell(s):
    """y = bias + the taps from the oldest to the present, each a matrix times the input of its time."""
    return s


conv1d = Recipe(
    (), (Pass(conv1d_cell, ("y",), {"before": "s", "x": "s"}),), output="y", check_every_step=False, gathered=("before",)
)
