"""Calls of C functions from machine code."""

import ctypes

import pytest
from numba import njit

from streamrnn.simd.call import call


@pytest.mark.parametrize("n", range(5))
def test_a_function_of_c_gets_its_arguments_and_its_answer_comes_back(n: int) -> None:
    integers = [ctypes.c_int64] * (1 + n)
    called = ctypes.CFUNCTYPE(*integers)(lambda *given: sum((index + 1) * one for index, one in enumerate(given)))

    @njit(error_model="numpy")
    def run(function, *given):  # type: ignore[no-untyped-def]
        return call(function, *given)

    given = [-5, 10**15, 7, 1][:n]
    assert run(ctypes.cast(called, ctypes.c_void_p).value, *given) == sum((i + 1) * one for i, one in enumerate(given))
