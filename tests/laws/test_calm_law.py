"""The calm law (allocation-free): after warm-up a step compiles nothing, and memory does not grow."""

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from numba import cfunc
from numba.core import event

from streamrnn import NonFiniteInputError, Stream
from tests.models import ALL, mixed, model, signal

pytestmark = pytest.mark.usefixtures("old_objects_are_left_alone")


@pytest.fixture
def compilations() -> Iterator[list[Any]]:
    """The compile events of Numba, as they come."""

    class Recorder(event.Listener):
        def on_start(self, event: Any) -> None:
            seen.append(event)

        def on_end(self, event: Any) -> None:
            pass

    seen: list[Any] = []
    recorder = Recorder()
    kinds = ["numba:compile", "numba:run_pass"]
    for kind in kinds:
        event.register(kind, recorder)
    yield seen
    for kind in kinds:
        event.unregister(kind, recorder)


def test_a_compilation_would_be_seen(compilations: list[Any]) -> None:
    cfunc("int64(int64)")(lambda x: x + 1)
    assert compilations


@pytest.mark.parametrize("variant", ALL)
def test_after_a_stream_is_made_nothing_is_compiled_or_imported(variant: str, compilations: list[Any]) -> None:
    stream = Stream(model(variant))
    compilations.clear()
    modules = set(sys.modules)
    x = signal(50)
    for row in x:
        stream.step(row)
        stream.step(row.tolist())
    stream.process(x)
    stream.process(x[::2])
    stream.restore(stream.snapshot())
    stream.reset()
    assert compilations == []
    assert set(sys.modules) == modules


def test_a_second_stream_of_a_kind_compiles_nothing(compilations: list[Any]) -> None:
    Stream(model("lstm", hidden=9))
    compilations.clear()
    Stream(model("lstm", hidden=10, seed=1)).process(signal(5))
    assert compilations == []


def growth(call: Callable[[], Any], n_calls: int) -> int:
    """Bytes by which Python's memory grows during `n_calls` calls."""
    for _ in range(100):
        call()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(n_calls):
            call()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_over_many_calls(door: str) -> None:
    stream = Stream(mixed())
    row, block = signal(1)[0], signal(40)
    out = np.zeros(4, np.float32)

    def refused() -> None:
        for call, poisoned in (stream.step, [np.nan, 0, 0]), (stream.process, [[np.inf, 0, 0]]):
            with suppress(NonFiniteInputError):
                call(poisoned)

    saved = stream.snapshot()
    n_steps = 100_000 if door == "compiled" else 5_000
    calls: dict[str, tuple[Callable[[], Any], int]] = {
        "step": (lambda: stream.step(row), n_steps),
        "step into out": (lambda: stream.step(row, out), n_steps),
        "step of a list": (lambda: stream.step([1.0, 2.0, 3.0]), 3_000),
        "process": (lambda: stream.process(block), 3_000),
        "snapshot": (stream.snapshot, 3_000),
        "restore": (lambda: stream.restore(saved), 3_000),
        "states": (lambda: stream.states, 3_000),
        "reset": (stream.reset, 3_000),
        "refused": (refused, 3_000),
    }
    for name, (call, n_calls) in calls.items():
        # less than the smallest object per call; Python's own caches of small objects fill up meanwhile
        assert growth(call, n_calls) < 64 * 1024 <= 24 * n_calls, name


def test_streams_are_freed_when_nobody_holds_them() -> None:
    """Without the garbage collector's help, and with them the memory of their state."""
    whole = model("lstm", hidden=300)
    Stream(whole)
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            Stream(whole).process(signal(2))
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    assert left < 50_000


def test_references_to_the_arguments_are_given_back() -> None:
    stream = Stream(mixed())
    row, out = signal(1)[0], np.zeros(4, np.float32)
    counts = sys.getrefcount(row), sys.getrefcount(out), sys.getrefcount(np.dtype(np.float32)), sys.getrefcount(None)
    for _ in range(1000):
        stream.step(row)
        stream.step(row, out)
        stream.step(row, out=out)
        stream.step(row, None)
    after = sys.getrefcount(row), sys.getrefcount(out), sys.getrefcount(np.dtype(np.float32)), sys.getrefcount(None)
    assert all(abs(late - early) < 50 for early, late in zip(counts, after, strict=True))
