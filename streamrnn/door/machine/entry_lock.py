"""Into a stream or pool and out again: the methods of a type whose instances are gates (streamrnn/door/entry_lock.py)."""

from streamrnn.door.machine.layout import GATE_BUSY, GATE_NEW_REFERENCE, GATE_NONE, GATE_REFUSE, GATE_VECTORCALL
from streamrnn.door.machine.objects import NULL
from streamrnn.kernels.panel import Kernel
from streamrnn.simd.call import call
from streamrnn.simd.memory import load_int
from streamrnn.simd.shared import store_shared, swap_shared
from streamrnn.target.packing import Width


def enter(width: Width) -> Kernel:
    """`__enter__`, METH_NOARGS. Raises what the gate's function does where another caller is in."""

    def enter(gate, _, __, ___):
        if swap_shared(gate + GATE_BUSY, 1) == 0:
            call(load_int(gate + GATE_NEW_REFERENCE), load_int(gate + GATE_NONE))
            return load_int(gate + GATE_NONE)
        return call(load_int(gate + GATE_VECTORCALL), load_int(gate + GATE_REFUSE), NULL, 0, NULL)

    return enter


def leave(width: Width) -> Kernel:
    """`__exit__`, METH_FASTCALL."""

    def leave(gate, _, __, ___):
        store_shared(gate + GATE_BUSY, 0)
        call(load_int(gate + GATE_NEW_REFERENCE), load_int(gate + GATE_NONE))
        return load_int(gate + GATE_NONE)

    return leave
