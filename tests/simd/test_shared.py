"""Atomic numbers: no addition is lost, and a thread that sees a number also sees what was written before it."""

import threading

import numpy as np
from numba import njit

from streamrnn.simd.shared import add_shared, load_shared, store_shared, swap_shared

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
        for number in range(1, n):
            while load_shared(flag) != 0:
                pass
            values[:] = number
            store_shared(flag, number)

    @compiled
    def read(flag, values, wrong, n):  # type: ignore[no-untyped-def]
        for number in range(1, n):
            while load_shared(flag) == 0:
                pass
            for value in values:
                wrong[0] += value != number
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


def test_of_many_that_swap_in_a_number_one_gets_the_old_one() -> None:
    n, flag = 1000, np.zeros(1000, np.int64)
    winners = np.zeros((4, n), np.int64)

    @compiled
    def take(flags, winners, n):  # type: ignore[no-untyped-def]
        for index in range(n):
            winners[index] = swap_shared(flags + 8 * index, 1) == 0

    in_threads(take, [(flag.ctypes.data, row, n) for row in winners])  # type: ignore[list-item]
    assert winners.sum(axis=0).tolist() == [1] * n
