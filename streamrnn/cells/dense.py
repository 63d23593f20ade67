"""The fully connected layer (ONNX Gemm-13; torch.nn.Linear). Form: streamrnn/layers/dense.py.

The sum s is W x + b. Where the rows are scaled for base 2, s is already multiplied by -log2 e (sigmoid) or 2 log2 e (tanh).
"""

from streamrnn.functions import relu as positive
from streamrnn.functions import sigmoid2, tanh2, transform
from streamrnn.recipe import Pass, Recipe


def linear_cell(s):
    """y = W x + b."""
    return s


def tanh_cell(s):
    """y = tanh(W x + b). Rows scaled for base 2."""
    return tanh2(s)


def sigmoid_cell(s):
    """y = σ(W x + b). Rows scaled for base 2."""
    return sigmoid2(s)


def relu_cell(s):
    """y = max(0, W x + b)."""
    return positive(s)


def general_cell(s, options):
    """Any element-wise function of W x + b."""
    return transform(options, 1, s)


def _recipe(cell, **options):
    return Recipe((), (Pass(cell, ("y",), {"x": "s"}),), output="y", check_every_step=False, **options)


linear, tanh, sigmoid, relu = map(_recipe, (linear_cell, tanh_cell, sigmoid_cell, relu_cell))
general = _recipe(general_cell, n_options=4)
softmax = _recipe(linear_cell, distribution=True)
