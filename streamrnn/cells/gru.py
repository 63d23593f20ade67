"""The GRU's cells, both forms (Cho et al. 2014; ONNX GRU-22; torch.nn.GRU). Form: streamrnn/layers/gru.py.

The sums r and z are W x + R h + b of their gate. In the reset-after form, n is W_n x + b_n and p is R_n h + c_n: the reset
gate multiplies p. The reset-before form takes two passes: the first multiplies h by the reset gate, the second multiplies R_n
by the result. Where the rows are scaled for base 2, the sums are already multiplied by -log2 e (gates) or 2 log2 e (candidate).
"""

from streamrnn.functions import activate, clipped, flush_to_zero, fma, option, sigmoid, sigmoid2, tanh, tanh2
from streamrnn.recipe import Pass, Recipe


def mixed(z, n, h):
    """h' = (1 - z) n + z h: z = 0 forgets the past, z = 1 ignores the present."""
    return flush_to_zero(fma(z, h, (1 - z) * n))


def candidate_sum(r, p, n):
    """The sum of the candidate, W_n x + b_n + r (R_n h + c_n): torch, cuDNN, ONNX linear_before_reset=1."""
    return fma(sigmoid2(r), p, n)


def new_state(n, z, h):
    """h' from the sums of the candidate n and of z."""
    n = tanh2(n)
    return mixed(sigmoid2(z), n, h)


def reset_after_cell(r, z, p, n, h):
    """The reset-after form for rows that are scaled for base 2."""
    return new_state(candidate_sum(r, p, n), z, h)


def plain_candidate_sum(r, p, n):
    """`candidate_sum` for weights of 16 bits, which cannot be scaled."""
    return fma(sigmoid(r), p, n)


def plain_new_state(n, z, h):
    """`new_state` for weights of 16 bits."""
    return mixed(sigmoid(z), tanh(n), h)


def plain_reset_after_cell(r, z, p, n, h):
    """`reset_after_cell` for weights of 16 bits."""
    return plain_new_state(plain_candidate_sum(r, p, n), z, h)


def general_reset_after_cell(r, z, p, n, h, options):
    """`reset_after_cell` with any activations and clip. Plain rows."""
    clip = option(options, 0, h)
    r, z = activate(options, 1, clipped(clip, r)), activate(options, 1, clipped(clip, z))
    return mixed(z, activate(options, 4, clipped(clip, fma(r, p, n))), h)


def reset_and_update(r, z, h):
    """The first pass of the reset-before form: r h and z. Rows scaled for base 2."""
    return sigmoid2(r) * h, sigmoid2(z)


def candidate(n, update, h):
    """The second pass: n = tanh(W_n x + b_n + R_n (r h)) (Cho et al. 2014 v3, ONNX default). Rows scaled for base 2."""
    return mixed(update, tanh2(n), h)


def plain_reset_and_update(r, z, h):
    """`reset_and_update` for weights of 16 bits."""
    return sigmoid(r) * h, sigmoid(z)


def plain_candidate(n, update, h):
    """`candidate` for weights of 16 bits."""
    return mixed(update, tanh(n), h)


def general_reset_and_update(r, z, h, options):
    """`reset_and_update` with any activations and clip. Plain rows."""
    clip = option(options, 0, h)
    return activate(options, 1, clipped(clip, r)) * h, activate(options, 1, clipped(clip, z))


def general_candidate(n, update, h, options):
    """`candidate` with any activations and clip. Plain rows."""
    return mixed(update, activate(options, 4, clipped(option(options, 0, h), n)), h)


def _after(cell, *stages, **options):
    return Recipe(("h",), (Pass(cell, ("h",), {"x": "r z n", "h": "r z p"}, stages=stages),), **options)


def _before(first, second, **options):
    gates = Pass(first, ("reset_h", "update"), {"x": "r z", "h": "r z"})
    return Recipe(("h",), (gates, Pass(second, ("h",), {"x": "n", "reset_h": "n"})), **options)


reset_after = _after(reset_after_cell, candidate_sum, new_state, check_every_step=False, bounded=("h",))
reset_after_plain = _after(plain_reset_after_cell, plain_candidate_sum, plain_new_state, check_every_step=False)
reset_after_general = _after(general_reset_after_cell, n_options=7)
reset_before = _before(reset_and_update, candidate, check_every_step=False, bounded=("h", "reset_h"))
reset_before_plain = _before(plain_reset_and_update, plain_candidate, check_every_step=False)
reset_before_general = _before(general_reset_and_update, general_candidate, n_options=7)
