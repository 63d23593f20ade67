"""The fully connected layer (ONNX Gemm-13; torch.nn.Linear). Form: streamrnn/layers/dense.py.

The sum s is W x + b. Where the rows are scaled for base 2, s is already multiplied by -log2 e (sigmoid), 2 log2 e (tanh) or
log2 e (softmax). Weights of 16 bits cannot be scaled; for them there are plain cells.
"""

from streamrnn.functions import relu as positive
from streamrnn.functions import sigmoid as plain_sigmoid
from streamrnn.functions import sigmoid2, tanh2, times_log2e, transform
from streamrnn.functions import tanh as plain_tanh
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


def plain_tanh_cell(s):
    """y = tanh(W x + b)."""
    return plain_tanh(s)


def plain_sigmoid_cell(s):
    """y = σ(W x + b)."""
    return plain_sigmoid(s)


def plain_softmax_cell(s):
    """The logits W x + b, scaled for base 2."""
    return times_log2e(s)


def general_cell(s, options):
    """Any element-wise function of W x + b."""
    return transform(options, 1, s)


def _recipe(cell, **options):
    return Recipe((), (Pass(cell, ("y",), {"x": "s"}),), output="y", check_every_step=False, **options)


linear, tanh, sigmoid, relu = map(_recipe, (linear_cell, tanh_cell, sigmoid_cell, relu_cell))
general = _recipe(general_cell, n_options=4)
softmax = _recipe(linear_cell, distribution=True)

tanh_plain, sigmoid_plain = map(_recipe, (plain_tanh_cell, plain_sigmoid_cell))
softmax_plain = _recipe(plain_softmax_cell, distribution=True)
