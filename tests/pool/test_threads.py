"""A pool whose calls several threads share answers, refuses and is interrupted as one on one thread is."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamrnn import Dense, Embedding, InputError, Model, StreamPool, StreamRNNError
from tests.laws.test_calm_law import growth
from tests.models import ALL, mixed, model, one_width, signal  # noqa: F401  (a fixture)
from tests.pool.test_stream_pool import overflowing

N = 50


@pytest.fixture(autouse=True)
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of more than three streams is shared."""
    for module in ("worker_threads", "plain_door"):
        monkeypatch.setattr(f"streamrnn.pool.{module}.PART", 3)
    monkeypatch.setattr("streamrnn.pool.plain_door.SHARED_BYTES", 0)


def pools(whole: Model) -> tuple[StreamPool, StreamPool]:
    """On one thread, and on three; of N streams."""
    both = StreamPool(whole, N), StreamPool(whole, N, threads=3)
    for pool in both:
        for _ in range(N):
            pool.open()
    return both


@pytest.mark.parametrize("variant", ALL)
def test_any_number_of_threads_gives_the_same_bits(variant: str) -> None:
    whole, rng = model(variant, inputs=5, hidden=9), np.random.default_rng(0)
    one, three = pools(whole)
    for n in (N, 1, 4, 3, 17):
        slots, x = rng.permutation(N)[:n], rng.normal(size=(n, 7, 5)).astype(np.float32)
        assert one.step(slots, x[:, 0]).tobytes() == three.step(slots, x[:, 0]).tobytes()
        assert one.process(slots, x).tobytes() == three.process(slots, x).tobytes()
    assert one.snapshot() == three.snapshot()


def entries() -> Model:
    rng = np.random.default_rng(0)
    return Model([Embedding(rng.normal(size=(7, 3))), Dense(rng.normal(size=(2, 3)))])


def spoiled(values: dict[int, float]) -> Any:
    x = np.ones((N, 1), np.float32)
    for row, value in values.items():
        x[row] = value
    return x


SLOTS = [*range(N)]
REFUSED: dict[str, Callable[[StreamPool], Any]] = {
    "a slot twice, in parts far apart": lambda pool: pool.step([*SLOTS[:-1], 0], spoiled({})),
    "a closed slot": lambda pool: pool.step([*SLOTS[:-1], N], spoiled({})),
    "a closed slot and poison before it": lambda pool: pool.step([*SLOTS[:-1], N], spoiled({0: np.nan})),
    "poison in the last part": lambda pool: pool.step(SLOTS, spoiled({N - 1: np.nan})),
    "poison after overflow": lambda pool: pool.step(SLOTS, spoiled({0: 3e38, N - 1: np.inf})),
    "overflow in two parts": lambda pool: pool.step(SLOTS, spoiled({7: 3e38, 33: 3e38})),
    "overflow in the middle of a chunk": lambda pool: pool.process(
        SLOTS, np.stack([spoiled({}), spoiled({33: 3e38}), spoiled({})], axis=1)
    ),
    "poison at the end of a chunk": lambda pool: pool.process(SLOTS, np.stack([spoiled({}), spoiled({33: np.nan})], axis=1)),
    "an index that is no entry": lambda pool: pool.step(SLOTS, spoiled({12: 9})),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("build", [overflowing, entries])
def test_what_is_refused_is_refused_as_on_one_thread_and_undone_for_all(name: str, build: Callable[[], Model]) -> None:
    said = []
    for pool in pools(build()):
        pool.step(SLOTS, spoiled({}))
        before = pool.snapshot()
        try:
            REFUSED[name](pool)
            said.append("nothing")
        except StreamRNNError as error:
            said.append(f"{type(error)} {error}")
            assert pool.snapshot() == before
        pool.step(SLOTS, spoiled({}))
    assert said[0] == said[1]
    assert build is entries or said[0] != "nothing" or "index" in name


def test_an_interrupted_process_is_undone_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    _, pool = pools(mixed())
    monkeypatch.setattr("streamrnn.pool.plain_door.UNINTERRUPTED_BYTES", 1)
    calls, share = [], pool._door._workers.share  # type: ignore[union-attr]

    def interrupted(*args: int) -> int:
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return share(*args)

    monkeypatch.setattr(pool._door._workers, "share", interrupted)
    before = pool.snapshot()
    with pytest.raises(KeyboardInterrupt):
        pool.process(SLOTS, signal(N * 9).reshape(N, 9, 3))
    assert pool.snapshot() == before


def test_a_tick_is_shared_only_where_it_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    pool, shared = StreamPool(model("lstm", inputs=64, hidden=128), 512, threads=2), list[int]()
    slots, share = [pool.open() for _ in range(512)], pool._door._workers.share  # type: ignore[union-attr]
    monkeypatch.setattr(pool._door._workers, "share", lambda *call: shared.append(call[-1]) or share(*call))
    pool.step(slots[:32], signal(32, 64))
    assert not shared
    pool.step(slots, signal(512, 64))
    assert shared == [1]
    pool.process(slots[:32], signal(32 * 9, 64).reshape(32, 9, 64))
    assert shared == [1, 7, 2]


def test_a_pool_whose_helpers_never_come_answers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where all other cores are busy."""
    monkeypatch.setattr(threading.Thread, "start", lambda thread: None)
    one, three = pools(mixed())
    assert one.step(SLOTS, signal(N)).tobytes() == three.step(SLOTS, signal(N)).tobytes()


def test_pools_in_threads_of_their_own_do_not_meet() -> None:
    whole = mixed()
    alone, x = StreamPool(whole, N), signal(N)
    expected = [alone.step([alone.open() for _ in range(N)], x).tobytes()]
    expected += [alone.step(SLOTS, x).tobytes() for _ in range(100)]
    wrong = []

    def run() -> None:
        pool = StreamPool(whole, N, threads=2)
        slots = [pool.open() for _ in range(N)]
        if [pool.step(slots, x).tobytes() for _ in expected] != expected:
            wrong.append(pool)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_memory_does_not_grow_over_many_shared_ticks() -> None:
    _, pool = pools(mixed())
    slots, x, out = np.arange(N), signal(N), np.zeros((N, 4), np.float32)
    assert growth(lambda: pool.step(slots, x, out), 1000) < 64 * 1024


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2", None, 10**6])
def test_a_number_of_threads_that_is_none_is_refused(threads: Any) -> None:
    with pytest.raises(InputError, match="threads"):
        StreamPool(mixed(), threads=threads)
