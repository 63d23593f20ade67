"""`Batcher` over a store: more keys than fit, replies after a group commit, and what is left after `kill -9`."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import InputError, StateStore, StoreError, Stream, StreamPool
from streamrnn.aio import Batcher
from tests.aio.test_batcher import MODEL, alone, run, settled, signals
from tests.models import one_width  # noqa: F401  (a fixture)


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("durable", [False, True])
def test_more_keys_than_fit_have_the_bits_that_they_have_alone(tmp_path: Path, durable: bool, sync: bool) -> None:
    xs = signals(20, 6)

    async def client(batcher: Batcher, key: int) -> list[Any]:
        return [await batcher.step(key, x) for x in xs[key]]

    async def main(store: StateStore) -> list[Any]:
        async with Batcher(StreamPool(MODEL, 4, store), 0, durable=durable) as batcher:
            found = await asyncio.gather(*(client(batcher, key) for key in range(20)))
            assert (batcher.metrics["commits"] > 0) == durable
            return found

    with StateStore(tmp_path / "s", sync) as store:  # whose end warns of what has not been saved
        for key, ys in enumerate(run(main(store))):
            np.testing.assert_array_equal(ys, alone(xs[key]))
    with StateStore(tmp_path / "s") as store:
        assert len(store) == 20


def test_steps_that_wait_share_a_commit(tmp_path: Path) -> None:
    async def main(store: StateStore) -> dict[str, Any]:
        async with Batcher(StreamPool(MODEL, 64, store), durable=True) as batcher:
            await asyncio.gather(*(batcher.step(key % 50, [0, 0]) for key in range(100)))
            return batcher.metrics

    with StateStore(tmp_path / "s") as store:
        metrics = run(main(store))
    assert (metrics["ticks"], metrics["commits"]) == (2, 1)
    assert metrics["longest_commit"] > 0


def test_a_damaged_state_is_an_error_of_its_key(tmp_path: Path) -> None:
    with StateStore(tmp_path / "s") as store:
        stream = Stream(MODEL)
        store.put({key: stream.snapshot() for key in "abc"})
        store._database.write(lambda cursor: cursor.execute("UPDATE streams SET state = zeroblob(56) WHERE key = 'b'"))

        async def main() -> list[Any]:
            async with Batcher(StreamPool(MODEL, 8, store)) as batcher:
                return await settled(*(batcher.step(key, [0, 0]) for key in "abcd"))

        first, damaged, *rest = run(main())
    assert isinstance(damaged, StoreError)
    assert "'b' is damaged" in str(damaged)
    assert [y.shape for y in (first, *rest)] == [(5,)] * 3


def test_a_commit_that_fails_is_told_and_made_up_for_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xs = signals(2, 2)

    async def main(pool: StreamPool) -> Any:
        async with Batcher(pool, durable=True) as batcher:
            with monkeypatch.context() as patch:
                patch.setattr(pool, "flush", lambda: (_ for _ in ()).throw(StoreError("the disk is full")))
                lost = await settled(*(batcher.step(key, xs[key, 0]) for key in range(2)))
            return lost, await asyncio.gather(*(batcher.step(key, xs[key, 1]) for key in range(2)))

    with StateStore(tmp_path / "s") as store:
        lost, found = run(main(StreamPool(MODEL, 8, store)))
    for error in lost:
        assert isinstance(error, StoreError)
        assert str(error).startswith("the disk is full; the step is done, but not saved yet")
    np.testing.assert_array_equal(found, [alone(xs[key])[1] for key in range(2)])


def test_a_batch_that_the_pool_has_no_room_for_is_refused(tmp_path: Path) -> None:
    with (
        StateStore(tmp_path / "s") as store,
        pytest.raises(InputError, match="max_batch 9 is more than the pool has room for, 8"),
    ):
        Batcher(StreamPool(MODEL, 8, store), max_batch=9)


SERVER = """
import asyncio, sys
import numpy as np
from streamrnn import StateStore, StreamPool, load
from streamrnn.aio import Batcher

async def main(archive, path):
    batcher = Batcher(StreamPool(load(archive), 64, StateStore(path)), durable=True)
    async def client(key):
        for step in range(100_000):
            await batcher.step(key, np.full(2, np.sin(key + step), np.float32))
            print(key, step, flush=True)
    await asyncio.gather(*map(client, range(20)))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is of POSIX")
def test_nothing_that_was_answered_is_lost_by_kill_9(tmp_path: Path) -> None:
    MODEL.save(tmp_path / "m.safetensors")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-c", SERVER, str(tmp_path / "m.safetensors"), str(tmp_path / "s")]
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(500)]
        server.kill()
        lines += server.stdout.readlines()
    answered = dict.fromkeys(range(20), 0)
    for line in lines:
        if line.endswith("\n"):
            key, step = map(int, line.split())
            answered[key] = step + 1
    with StateStore(tmp_path / "s") as store:
        saved = store.get(range(20))
    for key, n_answered in answered.items():
        stream = Stream(MODEL)
        stream.process(np.repeat(np.sin(key + np.arange(n_answered)).astype(np.float32)[:, None], 2, 1))
        found = [stream.snapshot()]  # one step more may have been saved whose answer was still on its way
        stream.step(np.full(2, np.sin(key + n_answered), np.float32))
        found.append(stream.snapshot())
        assert saved[key] in found, (key, n_answered)
