"""Numbers that threads share: no addition is lost, and what was written before is seen behind."""

import ctypes
import threading

import numpy as np
from numba import njit

from streamrnn.simd.shared import add_shared, call_with, load_shared, store_shared

compiled = njit(error_model="numpy", nogil=True)


def in_threads(function: object, arguments: list[tuple[int, ...]]) -> None:
    threads = [threading.Thread(target=function, args=given) for given in arguments]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_every_addition_counts_once_and_gives_what_was_there() -> None:
    @compiled
    def count(at, seen, n):  # type: ignore[no-untyped-def]
        for _ in range(n):
            seen[add_shared(at, 1)] += 1

    n, n_threads = 200_000, 4
    number, seen = np.zeros(1, np.int64), np.zeros(n * n_threads, np.int64)
    in_threads(count, [(number.ctypes.data, seen, n)] * n_threads)
    assert number[0] == n * n_threads
    assert (seen == 1).all()


def test_who_sees_the_flag_sees_what_was_written_before_it() -> None:
    @compiled
    def write(flag, values, n):  # type: ignore[no-untyped-def]
        for turn in range(1, n):
            while load_shared(flag) != 0:
                pass
            values[:] = turn
            store_shared(flag, turn)

    @compiled
    def read(flag, values, wrong, n):  # type: ignore[no-untyped-def]
        for turn in range(1, n):
            while load_shared(flag) == 0:
                pass
            for value in values:
                wrong[0] += value != turn
            store_shared(flag, 0)

    flag, values, wrong, n = np.zeros(1, np.int64), np.zeros(50, np.int64), np.zeros(1, np.int64), 300
    threads = [
        threading.Thread(target=write, args=(flag.ctypes.data, values, n)),
        threading.Thread(target=read, args=(flag.ctypes.data, values, wrong, n)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong[0] == 0


def test_a_function_of_c_is_called_with_its_argument() -> None:
    seen: list[int] = []
    called = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64)(lambda argument: seen.append(argument) or 0)  # type: ignore[func-returns-value]

    @njit(error_model="numpy")
    def call(function, argument):  # type: ignore[no-untyped-def]
        call_with(function, argument)

    call(ctypes.cast(called, ctypes.c_void_p).value, 7)
    assert seen == [7]
