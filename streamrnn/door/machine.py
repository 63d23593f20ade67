"""The machine code of the compiled door (compiled.py): from array objects to the driver and back."""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.door.layout import (
    ARRAY_TYPE,
    DATA,
    DIMENSIONS,
    DTYPE,
    FLAGS,
    N_DIMENSIONS,
    N_INPUTS,
    N_OUTPUTS,
    NUMBERS,
    OUT,
    PLAIN,
    PLAN,
    READABLE,
    RING,
    RING_SIZE,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    TYPE,
    VECTORCALL,
    WRITABLE,
)
from streamrnn.kernels.driver import advance
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field
from streamrnn.packing import Width
from streamrnn.record import BUSY, DONE
from streamrnn.simd.memory import load_int, load_int32, store_int32

_NULL = 0


@intrinsic
def vectorcall(
    typingctx: Any, function: types.Type, target: types.Type, args: types.Type, n_args: types.Type, names: types.Type
) -> Any:
    """PyObject_Vectorcall, at the address `function`."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, values: Any) -> ir.Value:
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64)] * 4)
        return builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])

    return signature(types.int64, *[types.int64] * 5), codegen


@inline
def _is_vector(array, size, flags, table):
    """Whether an ndarray is one vector of the model's numbers, `size` of them, whose flags include `flags`."""
    return (
        load_int(array + DTYPE) == field(table, NUMBERS)
        and load_int32(array + N_DIMENSIONS) == 1
        and load_int(load_int(array + DIMENSIONS)) == size
        and (load_int32(array + FLAGS) & flags) == flags
    )


@inline
def _free_of_ring(table):
    """An array of the ring that nobody else holds and that is as it was made; NULL if there is none."""
    for index in range(RING_SIZE):
        array = field(table, RING + 2 * index)
        if (
            array != _NULL
            and load_int32(array) == 1
            and load_int(array + DATA) == field(table, RING + 2 * index + 1)
            and _is_vector(array, field(table, N_OUTPUTS), WRITABLE, table)
        ):
            return array
    return _NULL


def _given_out(width: Width) -> Part:
    itemsize = width.itemsize

    @inline
    def given_out(table, x, out):
        """The caller's `out`, if it can be written to as it is and does not overlap x; else NULL."""
        n_inputs, n_outputs = field(table, N_INPUTS), field(table, N_OUTPUTS)
        if load_int(out + TYPE) != field(table, ARRAY_TYPE) or not _is_vector(out, n_outputs, WRITABLE, table):
            return _NULL
        x, y = load_int(x + DATA), load_int(out + DATA)
        return out if y + n_outputs * itemsize <= x or x + n_inputs * itemsize <= y else _NULL

    return given_out


def _result(width: Width) -> Part:
    given_out = _given_out(width)

    @inline
    def place_of_result(table, args, n_args, names):
        """Where the result of a usual call goes; NULL if the call is unusual."""
        plan, x = field(table, PLAN), load_int(args)
        if n_args < 1 or load_int(x + TYPE) != field(table, ARRAY_TYPE) or field(plan, BUSY):
            return _NULL
        if not _is_vector(x, field(table, N_INPUTS), READABLE, table):
            return _NULL
        if names == _NULL:
            if n_args == 1:
                return _free_of_ring(table)
            return given_out(table, x, load_int(args + 8)) if n_args == 2 else _NULL
        if n_args == 1 and load_int(names + TUPLE_SIZE) == 1 and load_int(names + TUPLE_ITEMS) == field(table, OUT):
            return given_out(table, x, load_int(args + 8))
        return _NULL

    return place_of_result


def step(width: Width) -> Kernel:
    """METH_FASTCALL | METH_KEYWORDS for numbers of the width's type: (self, args, n_args, names).

    `self` is the table's array object, `args` the address of the objects, `names` a tuple or NULL. What the driver refuses
    goes to the plain door as well, which finds out again and says why.
    """
    place_of_result, advance_plan = _result(width), advance(width)

    def step(self, args, n_args, names):
        table = load_int(self + DATA)
        result = place_of_result(table, args, n_args, names)
        if result != _NULL:
            status = advance_plan(field(table, PLAN), load_int(load_int(args) + DATA), load_int(result + DATA), 1)
            if status == DONE:
                store_int32(result, load_int32(result) + 1)  # a new reference
                return result
        return vectorcall(field(table, VECTORCALL), field(table, PLAIN), args, n_args, names)

    return step
