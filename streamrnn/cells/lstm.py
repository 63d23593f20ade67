"""The LSTM's cell (Hochreiter & Schmidhuber 1997; Gers et al. 2000; ONNX LSTM-22; torch.nn.LSTM). Form: layers/lstm.py.

The sums i, f, g and o are W x + R h + b of their gate. For the standard cell the rows are scaled for base 2: the sums are
already multiplied by -log2 e (gates) or 2 log2 e (candidate). The other cells take plain rows.
"""

from streamrnn.functions import activate, clipped, flush_to_zero, fma, option, sigmoid, sigmoid2, tanh, tanh2
from streamrnn.recipe import Pass, Recipe

_GATES = {"x": "i f g o", "h": "i f g o"}


def memory(i, f, g, c):
    """c' = σ(f) c + σ(i) tanh(g)."""
    g = tanh2(g)  # the longest chain first
    i = sigmoid2(i)
    return fma(sigmoid2(f), c, i * g)


def output(c, o):
    """h' = σ(o) tanh(c'), and c'."""
    h = tanh(c)
    return flush_to_zero(sigmoid2(o) * h), flush_to_zero(c)


def standard_cell(i, f, g, o, c):
    """The cell for rows that are scaled for base 2."""
    return output(memory(i, f, g, c), o)


def plain_memory(i, f, g, c):
    """`memory` for weights of 16 bits, which cannot be scaled."""
    g = tanh(g)
    i = sigmoid(i)
    return fma(sigmoid(f), c, i * g)


def plain_output(c, o):
    """`output` for weights of 16 bits."""
    h = tanh(c)
    return flush_to_zero(sigmoid(o) * h), flush_to_zero(c)


def plain_cell(i, f, g, o, c):
    """`standard_cell` for weights of 16 bits."""
    return plain_output(plain_memory(i, f, g, c), o)


def general_cell(i, f, g, o, p_i, p_f, p_o, c, options):
    """The cell with everything that ONNX LSTM-22 allows: activations, clip, peepholes, coupled gates.

    `options` are clip, three activations of three numbers each, coupled (0 or 1), and whether there are peepholes (0 or 1).
    """
    clip = option(options, 0, c)
    coupled = option(options, 10, c) != 0
    with_peepholes = option(options, 11, c) != 0
    if with_peepholes:
        i = fma(p_i, c, i)
        f = fma(p_f, c, f)
    i = activate(options, 1, clipped(clip, i))
    f = 1 - i if coupled else activate(options, 1, clipped(clip, f))
    g = activate(options, 4, clipped(clip, g))
    c = flush_to_zero(fma(f, c, i * g))
    if with_peepholes:
        o = fma(p_o, c, o)
    o = activate(options, 1, clipped(clip, o))
    return flush_to_zero(o * activate(options, 7, c)), c


def projection(p):
    """An output of h' = projection m', where m' is the output of the cell (Sak et al. 2014; torch's proj_size)."""
    return flush_to_zero(p)


_PROJECTION = Pass(projection, ("h",), {"m": "p"}, units="outputs")


def _recipe(cell, *stages, projected=False, **options):
    if not projected:
        return Recipe(("h", "c"), (Pass(cell, ("h", "c"), _GATES, stages=stages),), **options)
    return Recipe(("h", "c"), (Pass(cell, ("m", "c"), _GATES, stages=stages), _PROJECTION), projected=("h",), **options)


_GENERAL = {"per_unit": ("p_i", "p_f", "p_o"), "n_options": 12}

_STANDARD, _PLAIN = (standard_cell, memory, output), (plain_cell, plain_memory, plain_output)

standard = _recipe(*_STANDARD, check_every_step=False, bounded=("h",))
standard_projected = _recipe(*_STANDARD, projected=True, bounded=("m",))
plain = _recipe(*_PLAIN, check_every_step=False)
plain_projected = _recipe(*_PLAIN, projected=True)
general = _recipe(general_cell, **_GENERAL)
general_projected = _recipe(general_cell, projected=True, **_GENERAL)
