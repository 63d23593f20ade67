"""The driver: one compiled function that takes a plan through any number of steps, wholly or not at all.

It refuses non-finite input before anything moves, walks the op records tile by tile, and puts the state back where a step
drove it out of the range of float32 (the poison law). It knows no layer kind: kernels are called by address.
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import BYTES, field
from streamrnn.record import (
    BACKUP,
    DONE,
    HEADER_FIELDS,
    INPUT_NOT_FINITE,
    INPUT_SLOT,
    INPUTS,
    KERNEL,
    N_OPS,
    N_STATES,
    OUTPUT_SLOT,
    OUTPUTS,
    RECORD_FIELDS,
    SLOTS,
    SOURCE,
    STATE_BLOCK,
    STATE_NOT_FINITE,
    STATE_VALUES,
    STATES,
    TARGET,
    TILE,
)
from streamrnn.simd.memory import load_int, load_int32, load_scalar, store

_EXPONENT = 0x7F800000


@intrinsic
def call_kernel(
    typingctx: Any, kernel: types.Type, record: types.Type, source: types.Type, target: types.Type, n_steps: types.Type
) -> Any:
    """Call the kernel at an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * 4)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return signature(types.void, *[types.int64] * 5), codegen


@inline
def all_finite(address, count):
    """Whether `count` float32 values are all finite. Written so that LLVM makes vectors of it."""
    worst = 0
    for at in range(address, address + count * BYTES, BYTES):
        worst |= (load_int32(at) & _EXPONENT) == _EXPONENT
    return worst == 0


@inline
def _states_finite(plan):
    states = load_int(plan + 8 * STATES)
    for _ in range(field(plan, N_STATES)):
        if not all_finite(load_int(states), load_int(states + 8)):
            return False
        states += 16
    return True


@inline
def _copy(target, source, count):
    for at in range(0, count * BYTES, BYTES):
        store(target + at, load_scalar(source + at))


@inline
def advance(plan, x, y, n_steps):
    """Take `n_steps` rows from address x to address y. Returns DONE, or why nothing has moved (streamrnn/record.py)."""
    first = plan + 8 * HEADER_FIELDS
    n_ops, tile, slots = field(plan, N_OPS), field(plan, TILE), field(plan, SLOTS)
    n_inputs = field(first, INPUTS)
    n_outputs = field(first + 8 * RECORD_FIELDS * (n_ops - 1), OUTPUTS)
    state, backup, n_state = field(plan, STATE_BLOCK), field(plan, BACKUP), field(plan, STATE_VALUES)
    if not all_finite(x, n_steps * n_inputs):
        return INPUT_NOT_FINITE
    _copy(backup, state, n_state)
    begin = 0
    while begin < n_steps:  # not a range, whose step Numba would check and raise an exception for
        n_now = min(tile, n_steps - begin)
        record = first
        for _ in range(n_ops):
            source, target = field(record, SOURCE), field(record, TARGET)
            source = x + begin * n_inputs * BYTES if source == INPUT_SLOT else load_int(slots + 8 * source)
            target = y + begin * n_outputs * BYTES if target == OUTPUT_SLOT else load_int(slots + 8 * target)
            call_kernel(field(record, KERNEL), record, source, target, n_now)
            record += 8 * RECORD_FIELDS
        if not _states_finite(plan):
            _copy(state, backup, n_state)
            return STATE_NOT_FINITE
        begin += n_now
    return DONE


def run(plan: int, x: int, y: int, n_steps: int) -> int:
    """`advance` as a function to be called by address."""
    return advance(plan, x, y, n_steps)
