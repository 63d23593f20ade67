"""Is a function an equation that kernels can be made of? What tells it from another one, and what does it compute?"""

import dis
import hashlib
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from streamrnn import functions
from streamrnn.errors import ModelError
from streamrnn.recipe import Recipe

_N_CHECKED = 8  # points at which the cell's values are compared


def check_equation(kind: str, function: Any, callers: tuple[Any, ...] = ()) -> None:
    """Raise ModelError for a function that is more than an equation, or uses what cannot be compiled.

    kind     the cell's name, for messages
    callers  the functions on the way to this one
    """
    if function in callers:
        raise ModelError(f"cell {kind!r}: {function.__name__} calls itself; an equation has no recursion")
    if not isinstance(function, FunctionType):
        raise ModelError(f"cell {kind!r}: {function!r} is not a function")
    where = f"cell {kind!r}: {function.__name__}"
    for name, value in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if not _is_number(value.cell_contents):
            raise ModelError(f"{where} takes {name} from the function around it, but it is no number; define it in the module")
    for instruction in dis.get_instructions(function.__code__):
        refused = _REFUSED.get(instruction.opname)
        if instruction.opname == "BINARY_OP" and instruction.argrepr not in ("+", "-", "*", "/"):
            refused = f"the operator {instruction.argrepr}"
        if refused:
            raise ModelError(f"{where} uses {refused}; write it with streamrnn.functions and with + - * /")
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            _check_global(kind, function, str(instruction.argval), callers)


def _check_global(kind: str, function: FunctionType, name: str, callers: tuple[Any, ...]) -> None:
    where = f"cell {kind!r}: {function.__name__}"
    if name not in function.__globals__:
        raise ModelError(f"{where} uses {name}, which is not among streamrnn.functions; use these, and arithmetic")
    value = function.__globals__[name]
    if isinstance(value, FunctionType):
        if value.__module__ != functions.__name__:
            check_equation(kind, value, (*callers, function))
    elif not _is_number(value):
        raise ModelError(f"{where} uses {name}, which is neither a number nor a plain function; use streamrnn.functions")


#: Instructions of Python that an equation does not need, and what they are in the source.
_REFUSED = {
    "LOAD_ATTR": "an attribute",
    "LOAD_METHOD": "a method",
    "BINARY_SUBSCR": "an index",
    "STORE_SUBSCR": "an index",
    "STORE_GLOBAL": "a global variable",
    "IMPORT_NAME": "an import",
    "MAKE_FUNCTION": "a function within it",
    "YIELD_VALUE": "yield",
    "FOR_ITER": "a loop",
    "RAISE_VARARGS": "raise",
    "UNARY_INVERT": "the operator ~",
    "UNARY_NOT": "not",
    "UNARY_POSITIVE": "a sign +",
    "BUILD_LIST": "a list",
    "BUILD_MAP": "a dictionary",
}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating)


def digest(function: Any) -> bytes:
    """A hash of a function: of its code, of the numbers from around it, and of the functions that it calls."""
    code: CodeType = function.__code__
    parts = [code.co_code, repr(code.co_consts).encode(), repr((code.co_names, code.co_varnames)).encode()]
    parts += [repr(value.cell_contents).encode() for value in function.__closure__ or ()]
    for name in code.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, FunctionType) and value.__module__ != functions.__name__:
            parts.append(digest(value))
        elif _is_number(value):
            parts.append(repr(value).encode())
    return hashlib.sha256(b"\0".join(parts)).digest()


def test_vector(recipe: Recipe) -> list[float]:
    """What the cells of a recipe return for fixed sums and vectors: a short test vector that needs no weights."""
    state = np.random.RandomState(0)
    numbers: list[float] = []
    for one in recipe.passes:
        arguments = [4 * state.random_sample(_N_CHECKED) - 2 for _ in one.parameters]
        result = one.cell(*arguments)
        results = result if isinstance(result, tuple) else (result,)
        if len(results) != len(one.writes):
            raise TypeError(f"{one.cell.__name__} returns {len(results)} values, but {', '.join(one.writes)} are expected")
        for name, values in zip(one.writes, results, strict=True):
            if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
                raise TypeError(f"{one.cell.__name__} returns {values!r:.40} for {name}, which is no value for each unit")
            numbers += [float(number) for number in np.broadcast_to(values, _N_CHECKED)]
    return numbers


def check_values(kind: str, recipe: Recipe) -> None:
    """Raise ModelError where the equation cannot be computed."""
    try:
        values = test_vector(recipe)
    except Exception as error:  # whatever the user's equation raises
        raise ModelError(f"cell {kind!r}: the equation cannot be computed ({type(error).__name__}: {error})") from error
    if not np.isfinite(values).all():
        raise ModelError(f"cell {kind!r}: the equation returns {values} for sums between -2 and 2; every value must be finite")
