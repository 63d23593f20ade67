"""`Batcher`: every key has the bits that its stream has alone, whoever asks when, is cancelled, or gives what is wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from streamrnn import RNN, Embedding, InputError, Model, NonFiniteInputError, NonFiniteStateError, Stream, StreamPool
from streamrnn.aio import Batcher
from tests.models import model, one_width  # noqa: F401  (a fixture)

MODEL = model("lstm", inputs=2, hidden=5)
Run = Callable[[Coroutine[Any, Any, Any]], Any]


def run(what: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns; a test that hangs fails."""

    async def in_time() -> Any:
        async with asyncio.timeout(60):
            return await what

    return asyncio.run(in_time())


def signals(n_keys: int, n_steps: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(n_keys, n_steps, 2)).astype(np.float32)


def alone(xs: Any) -> Any:
    return Stream(MODEL).process(xs)


async def settled(*steps: Awaitable[Any]) -> list[Any]:
    """What each step gives, or its error."""
    return await asyncio.gather(*steps, return_exceptions=True)


@pytest.mark.parametrize("max_batch", [1, 7, None])
@pytest.mark.parametrize("max_delay", [0, 0.0005])
def test_every_key_has_the_bits_that_it_has_alone(max_batch: int | None, max_delay: float) -> None:
    xs, rng = signals(30, 12), np.random.default_rng(1)

    async def client(batcher: Batcher, key: int, pauses: Any) -> list[Any]:
        ys = []
        for x, pause in zip(xs[key], pauses, strict=True):
            await asyncio.sleep(pause)
            ys.append(await batcher.step(key, x))
        return ys

    async def main() -> list[Any]:
        async with Batcher(StreamPool(MODEL, 4), max_delay, max_batch) as batcher:
            pauses = rng.choice([0, 0, 0, 0.0003], size=(30, 12))
            return await asyncio.gather(*(client(batcher, key, pauses[key]) for key in range(30)))

    for key, ys in enumerate(run(main())):
        np.testing.assert_array_equal(ys, alone(xs[key]))


@pytest.mark.parametrize("max_waiting", [1, 3, 1000])
def test_steps_of_a_key_keep_their_order_when_many_are_asked_for_at_once(max_waiting: int) -> None:
    xs = signals(3, 20)

    async def main() -> list[Any]:
        async with Batcher(StreamPool(MODEL), 0, max_batch=2, max_waiting=max_waiting) as batcher:
            order = [key for key in range(3) for _ in range(20)]
            np.random.default_rng(5).shuffle(order)
            at, steps = [0, 0, 0], []
            for key in order:
                steps.append(asyncio.create_task(batcher.step(key, xs[key, at[key]])))
                at[key] += 1
            found: list[list[Any]] = [[], [], []]
            for key, y in zip(order, await asyncio.gather(*steps), strict=True):
                found[key].append(y)
            return found

    for key, ys in enumerate(run(main())):
        np.testing.assert_array_equal(ys, alone(xs[key]))


def test_those_that_wait_go_in_one_tick_and_the_metrics_say_so() -> None:
    async def main() -> dict[str, Any]:
        async with Batcher(StreamPool(MODEL), 0.001) as batcher:
            await asyncio.gather(*(batcher.step(key, [0, key]) for key in range(100)))
            await settled(batcher.step("a", [0, 0]), batcher.step("b", [0, np.nan]))
            return batcher.metrics

    metrics = run(main())
    assert (metrics["ticks"], metrics["steps"], metrics["failed"], metrics["waiting"]) == (2, 101, 1, 0)
    assert (metrics["mean_batch"], metrics["batch_sizes"]) == (51, {2: 1, 128: 1})
    assert 0 < metrics["mean_wait"] <= metrics["longest_wait"] < 60


def test_a_full_batch_does_not_wait() -> None:
    async def main() -> None:
        async with Batcher(StreamPool(MODEL), 3600, max_batch=3) as batcher:
            await asyncio.gather(*(batcher.step(key, [0, 1]) for key in range(3)))

    run(main())


def test_an_input_may_be_changed_while_its_step_waits() -> None:
    xs = signals(1, 3)[0]

    async def main() -> Any:
        async with Batcher(StreamPool(MODEL), max_waiting=1) as batcher:
            x = xs[0].copy()
            steps = []
            for value in xs:
                x[:] = value
                steps.append(asyncio.create_task(batcher.step("a", x)))
                await asyncio.sleep(0)
            return await asyncio.gather(*steps)

    np.testing.assert_array_equal(run(main()), alone(xs))


def test_a_step_that_is_queued_is_done_although_its_caller_is_cancelled() -> None:
    xs = signals(1, 3)[0]

    async def main() -> Any:
        async with Batcher(StreamPool(MODEL), 0.001) as batcher:
            steps = [asyncio.create_task(batcher.step("a", x)) for x in xs]
            await asyncio.sleep(0)
            steps[1].cancel()
            return await settled(*steps)

    first, second, third = run(main())
    assert isinstance(second, asyncio.CancelledError)
    np.testing.assert_array_equal([first, third], alone(xs)[[0, 2]])


def test_a_step_that_is_cancelled_while_it_waits_for_room_is_not_done_and_holds_nobody_up() -> None:
    xs = signals(1, 4)[0]

    async def main() -> Any:
        async with Batcher(StreamPool(MODEL), 0.001, max_waiting=1) as batcher:
            steps = [asyncio.create_task(batcher.step("a", x)) for x in xs]
            await asyncio.sleep(0)
            assert batcher.metrics["waiting"] == 1
            steps[1].cancel()
            return await settled(*steps)

    first, second, *rest = run(main())
    assert isinstance(second, asyncio.CancelledError)
    np.testing.assert_array_equal([first, *rest], alone(xs[[0, 2, 3]]))


def test_what_is_wrong_reaches_only_its_own_key_whose_stream_is_unchanged() -> None:
    xs = signals(4, 2)
    wrong: dict[Any, tuple[Any, type[Exception], str]] = {
        1: ([0, np.nan], NonFiniteInputError, r"key 1: input\[1\] is nan"),
        2: ([np.inf, 0], NonFiniteInputError, r"key 2: input\[0\] is inf"),
        3: ([1, 2, 3], InputError, r"step: key 3: shape \(3,\) does not fit, expected \(2,\)"),
        "new": (["a", "b"], InputError, "key 'new'.*not an array of numbers"),
        None: ([0, 0], InputError, "None is not a key"),
    }

    async def main() -> Any:
        pool = StreamPool(MODEL)
        async with Batcher(pool) as batcher:
            before = await asyncio.gather(*(batcher.step(key, xs[key, 0]) for key in range(4)))
            among = await settled(batcher.step(0, xs[0, 1]), *(batcher.step(key, x) for key, (x, *_) in wrong.items()))
            after = await asyncio.gather(*(batcher.step(key, xs[key, 1]) for key in range(1, 4)))
            with pytest.raises(InputError, match="list cannot be a key"):
                await batcher.step([], [0, 0])  # type: ignore[arg-type]
            return before, among, after, sorted(pool.keys)

    before, (first, *errors), after, keys = run(main())
    np.testing.assert_array_equal([[y, z] for y, z in zip(before, [first, *after], strict=True)], [alone(each) for each in xs])
    for error, (_, kind, words) in zip(errors, wrong.values(), strict=True):
        with pytest.raises(kind, match=words):
            raise error
    assert keys == [0, 1, 2, 3]  # a key whose first input was wrong has not begun


def test_an_overflow_and_a_bad_index_are_errors_of_their_keys() -> None:
    grows = Model([RNN(np.ones((1, 1, 1)), np.full((1, 1, 1), 1e30), activations=("relu",))])

    async def overflow() -> Any:
        async with Batcher(StreamPool(grows)) as batcher:
            await asyncio.gather(*(batcher.step(key, [float(key > 1)]) for key in range(4)))
            await asyncio.gather(*(batcher.step(key, [0.0]) for key in range(4)))
            return await settled(*(batcher.step(key, [0.0]) for key in range(4)))

    fine, also, *errors = run(overflow())
    np.testing.assert_array_equal([fine, also], [[0], [0]])
    for key, error in zip((2, 3), errors, strict=True):
        assert isinstance(error, NonFiniteStateError)
        assert (error.keys, str(error).startswith(f"key {key}: the state left")) == ((key,), True)

    async def index() -> Any:
        async with Batcher(StreamPool(Model([Embedding(np.arange(6.0).reshape(3, 2))]))) as batcher:
            return await settled(batcher.step("a", 2), batcher.step("b", 3), batcher.step("c", [0.5]), batcher.step("d", [0]))

    good, bad, between, last = run(index())
    np.testing.assert_array_equal([good, last], [[4, 5], [0, 1]])
    assert [str(error).split(";")[0] for error in (bad, between)] == [
        f"key {key!r}: the input is not an entry of the embedding" for key in "bc"
    ]


def test_a_closed_key_begins_again_after_the_steps_that_waited() -> None:
    xs = signals(1, 4)[0]

    async def main() -> Any:
        pool = StreamPool(MODEL)
        async with Batcher(pool) as batcher:
            steps = [asyncio.create_task(batcher.step("a", x)) for x in xs[:2]]
            await asyncio.sleep(0)
            await batcher.close_keys(["a"])
            assert not pool.keys
            with pytest.raises(InputError, match="no stream has the key 'a'"):
                await batcher.close_keys(["a"])
            return await asyncio.gather(*steps), [await batcher.step("a", x) for x in xs[2:]]

    before, after = run(main())
    np.testing.assert_array_equal(before, alone(xs[:2]))
    np.testing.assert_array_equal(after, alone(xs[2:]))


def test_the_end_waits_for_what_is_queued_and_takes_no_more() -> None:
    async def main() -> Any:
        batcher = Batcher(StreamPool(MODEL), 0.01, max_waiting=2)
        steps = [asyncio.create_task(batcher.step(key, [0, 0])) for key in range(3)]
        await asyncio.sleep(0)
        await batcher.aclose()
        with pytest.raises(InputError, match="closed"):
            await batcher.step(0, [0, 0])
        return await settled(*steps)

    *done, outside = run(main())
    assert [y.shape for y in done] == [(5,), (5,)]
    assert isinstance(outside, InputError)  # it was never queued


def test_a_loop_that_ends_leaves_a_batcher_that_another_loop_can_use() -> None:
    batcher = Batcher(StreamPool(MODEL), 3600)

    async def leaves() -> None:
        asyncio.create_task(batcher.step("a", [0, 0]))  # noqa: RUF006 - it is lost on purpose
        await asyncio.sleep(0.01)
        with pytest.raises(InputError, match="in use in another event loop"):
            await asyncio.to_thread(asyncio.run, batcher.step("b", [0, 0]))

    async def goes_on() -> Any:
        steps = [asyncio.create_task(batcher.step(key, [0, 0])) for key in "ab"]
        await asyncio.sleep(0)
        await batcher.aclose()
        return await asyncio.gather(*steps)

    run(leaves())
    assert batcher.metrics["waiting"] == 0
    batcher._delay = 0.001
    assert len(run(goes_on())) == 2


def test_arguments_that_do_not_fit_are_refused() -> None:
    pool = StreamPool(MODEL)
    for arguments, words in (
        ({"pool": MODEL}, "Model is not a pool"),
        ({"max_delay": -1}, "max_delay -1 is not a number of seconds"),
        ({"max_delay": float("nan")}, "max_delay nan"),
        ({"max_batch": 0}, "max_batch 0 is not a whole number"),
        ({"max_waiting": 1.5}, "max_waiting 1.5"),
        ({"durable": True}, "needs a pool with a store"),
    ):
        with pytest.raises(InputError, match=words):
            Batcher(**({"pool": pool} | arguments))  # type: ignore[arg-type]
