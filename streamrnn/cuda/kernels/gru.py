"""The GRU on the GPU, both forms (streamrnn/kernels/gru.py has the cells, streamrnn/layers/gru.py the form).

Vectors: h, and between the two passes of the reset-before form r h and z.
"""

from streamrnn.cuda.kernels.device import arithmetic
from streamrnn.cuda.kernels.parts import NONE, Pass, Recipe, Row, Section, row
from streamrnn.kernels.gru import (
    general_candidate,
    general_gate,
    mixed,
    standard_candidate,
    standard_gate,
)
from streamrnn.simd.arithmetic import fma
from streamrnn.simd.vector import as_number, as_vector

_H, _RESET_H, _Z = 0, 1, 2


def _reset_after(gate, candidate):
    @arithmetic
    def cell(options, unit, padded, r, z, recurrent_n, n, h, _):
        r, z = gate(options, as_vector(r)), gate(options, as_vector(z))
        n = candidate(options, fma(r, as_vector(recurrent_n), as_vector(n)))
        return as_number(mixed(z, n, as_vector(h))), h

    # sums are r, z, R_n h + c_n, W_n x + b_n; rows are r, z, n
    of_inputs = Row(3, kept=2, shift=1)
    inputs, recurrent = Section(of_inputs, of_inputs), Section(Row(1, kept=0, shift=2), row(3))
    return Recipe((Pass(1, 4, inputs, recurrent, _H, (_H, NONE), (_H, NONE), True, cell),))


def _reset_before(gate, candidate):
    @arithmetic
    def gates(options, unit, padded, r, z, c, d, h, _):
        return as_number(gate(options, as_vector(r)) * as_vector(h)), as_number(gate(options, as_vector(z)))

    @arithmetic
    def rest(options, unit, padded, n, b, c, d, h, z):
        return as_number(mixed(as_vector(z), candidate(options, as_vector(n)), as_vector(h))), h

    of_gates, of_candidate = (Section(row(count), row(count)) for count in (2, 1))
    past_of_gates, past_of_candidate = (Section(row(0), row(count)) for count in (2, 1))
    return Recipe(
        (
            Pass(1, 2, of_gates, past_of_gates, _H, (_H, NONE), (_RESET_H, _Z), False, gates),
            Pass(1, 1, of_candidate, past_of_candidate, _RESET_H, (_H, _Z), (_H, NONE), True, rest),
        )
    )


reset_after, reset_after_general = (
    _reset_after(standard_gate, standard_candidate),
    _reset_after(general_gate, general_candidate),
)
reset_before = _reset_before(standard_gate, standard_candidate)
reset_before_general = _reset_before(general_gate, general_candidate)
