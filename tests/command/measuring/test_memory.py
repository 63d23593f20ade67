"""Memory: what a run takes is seen, and what the loop around it takes is not counted."""

import pytest

from streamrnn.command.measuring.memory import growth

MEBIBYTE = 1 << 20


def nothing() -> None:
    pass


@pytest.mark.parametrize("n_bytes", [MEBIBYTE, 3 * MEBIBYTE])
def test_the_most_bytes_of_a_run_are_traced(n_bytes: int) -> None:
    found = growth(nothing, lambda: bytearray(n_bytes), nothing, n=3, of=10)
    assert found.n_steps == 30
    assert n_bytes <= found.traced < n_bytes + 10_000


def test_memory_before_a_run_and_in_an_empty_run_does_not_count() -> None:
    held = []

    def allocate() -> None:
        bytearray(MEBIBYTE)

    found = growth(lambda: held.append(bytearray(MEBIBYTE)), allocate, allocate, n=2, of=1)
    assert found.traced < 10_000


def test_memory_that_is_never_freed_stays_resident() -> None:
    held: list[bytes] = []
    piece = 40 * MEBIBYTE  # more than malloc keeps at hand, so that each piece is new to the process
    found = growth(nothing, lambda: held.append(b"x" * piece), nothing, n=4, of=1)
    assert found.resident is None or found.resident > 3 * piece
    assert found.to_json() == {"n_steps": 4, "traced_bytes": found.traced, "resident_bytes": found.resident}
