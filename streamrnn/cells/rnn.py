"""The cell of the plain recurrent layer (Elman 1990; ONNX RNN-22; torch.nn.RNN). Form: streamrnn/layers/rnn.py."""

from streamrnn.functions import activate, clipped, flush_to_zero, option, tanh2
from streamrnn.functions import relu as positive
from streamrnn.functions import tanh as plain_tanh
from streamrnn.recipe import Pass, Recipe


def tanh_cell(s):
    """h' = tanh(W x + R h + b). Rows scaled for base 2."""
    return flush_to_zero(tanh2(s))


def plain_cell(s):
    """`tanh_cell` for weights of 16 bits, which cannot be scaled."""
    return flush_to_zero(plain_tanh(s))


def relu_cell(s):
    """h' = max(0, W x + R h + b)."""
    return flush_to_zero(positive(s))


def general_cell(s, options):
    """h' = activation(clip(W x + R h + b)), with any activation. Plain rows."""
    return flush_to_zero(activate(options, 1, clipped(option(options, 0, s), s)))


def _recipe(cell, **options):
    return Recipe(("h",), (Pass(cell, ("h",), {"x": "s", "h": "s"}),), **options)


tanh = _recipe(tanh_cell, check_every_step=False, bounded=("h",))
tanh_plain = _recipe(plain_cell, check_every_step=False)
relu = _recipe(relu_cell)
general = _recipe(general_cell, n_options=4)
