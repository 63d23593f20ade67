"""The methods of an entry lock: into a stream or pool, and out again (streamrnn/door/entry_lock.py)."""

from streamrnn.door.machine.layout import LOCK_BUSY, LOCK_NEW_REFERENCE, LOCK_NONE, LOCK_REFUSE, LOCK_VECTORCALL
from streamrnn.door.machine.objects import NULL
from streamrnn.kernels.panel import Kernel
from streamrnn.simd.call import call
from streamrnn.simd.memory import load_int
from streamrnn.simd.shared import store_shared, swap_shared
from streamrnn.target.packing import Width


def enter(width: Width) -> Kernel:
    """`__enter__`, METH_NOARGS. Calls the lock's `refuse` function, which raises, if another caller is in."""

    def enter(lock, _, __, ___):
        if swap_shared(lock + LOCK_BUSY, 1) == 0:
            call(load_int(lock + LOCK_NEW_REFERENCE), load_int(lock + LOCK_NONE))
            return load_int(lock + LOCK_NONE)
        return call(load_int(lock + LOCK_VECTORCALL), load_int(lock + LOCK_REFUSE), NULL, 0, NULL)

    return enter


def leave(width: Width) -> Kernel:
    """`__exit__`, METH_FASTCALL."""

    def leave(lock, _, __, ___):
        store_shared(lock + LOCK_BUSY, 0)
        call(load_int(lock + LOCK_NEW_REFERENCE), load_int(lock + LOCK_NONE))
        return load_int(lock + LOCK_NONE)

    return leave
