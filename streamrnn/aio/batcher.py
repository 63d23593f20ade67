"""`Batcher`: steps of many asyncio tasks, in ticks of one pool."""

from __future__ import annotations  # so that help() shows names of types, not what they stand for

import asyncio
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from time import perf_counter
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn.aio.metrics import Metrics
from streamrnn.aio.rounds import Round, Rounds
from streamrnn.aio.tick import advance, needs_store
from streamrnn.door.arguments import converted, input_of
from streamrnn.errors import InputError, StoreError
from streamrnn.pool import StreamPool

Array = NDArray[Any]
_Answer = TypeVar("_Answer")

#: Steps of a tick, unless the caller says otherwise.
MAX_BATCH = 1024
#: Steps that wait, at most, as a multiple of those of a tick.
_WAITING_BATCHES = 64


class _Answers(NamedTuple):
    """Of a round: the outputs, (n, output_size), and the errors by row; a row with an error has no output."""

    round: Round
    outputs: Sequence[Array] | Array
    errors: dict[int, Exception]


class Batcher:
    """Gives each of many asyncio tasks the step that it awaits, and takes the steps that wait in one tick of a pool.

        async with Batcher(StreamPool(model)) as batcher:
            y = await batcher.step("sensor 7", x)

    The steps of a key are done in the order in which they were asked for, with the bits that its stream has alone. An error
    reaches only the caller whose key or input it is about, and its stream is unchanged. A step that is queued is done, also if
    its caller is cancelled; a step whose caller is cancelled while it waits for room in the queue is not.

    pool         nobody else may use it meanwhile; with a store there can be more keys than it has room for
    max_delay    seconds for which the first step of a tick waits for others; 0: one turn of the event loop
    max_batch    steps of a tick, at most; None: 1024, or the room of a pool with a store
    max_waiting  steps that are queued, at most; further callers wait for room, in order. None: 64 times max_batch
    durable      True: an output is given after its state has been saved in the pool's store. All that wait are saved in one
                 commit. What was answered survives `kill -9`, and a power failure unless the store has sync=False

    A tick runs in the event loop, and so does a commit to a store with sync=False, at some 5 µs a key. What waits for a disk
    runs in a thread. A batcher belongs to one event loop at a time. Raises InputError for an argument that does not fit.
    """

    def __init__(
        self,
        pool: StreamPool,
        max_delay: float = 0.001,
        max_batch: int | None = None,
        *,
        max_waiting: int | None = None,
        durable: bool = False,
    ) -> None:
        if not isinstance(pool, StreamPool):
            raise InputError(f"Batcher: {type(pool).__name__} is not a pool; give a streamrnn.StreamPool")
        if isinstance(max_delay, bool) or not isinstance(max_delay, int | float) or not 0 <= max_delay < float("inf"):
            raise InputError(f"Batcher: max_delay {max_delay!r} is not a number of seconds from 0 on")
        if durable and pool.store is None:
            raise InputError("Batcher: durable=True needs a pool with a store; give it one, StreamPool(model, n, store=store)")
        room = MAX_BATCH if pool.store is None else pool.capacity
        size = _whole("max_batch", min(MAX_BATCH, room) if max_batch is None else max_batch)
        if pool.store is not None and size > room:
            raise InputError(f"Batcher: max_batch {size} is more than the pool has room for, {room}; make a larger pool")
        n_waiting = _whole("max_waiting", _WAITING_BATCHES * size if max_waiting is None else max_waiting)
        self._pool, self._delay, self._durable = pool, float(max_delay), bool(durable)
        self._shape, self._dtype = pool.model.step_shape, pool.model.dtype
        self._rounds = Rounds(size, self._shape, self._dtype)
        self._n_waiting, self._max_waiting = 0, n_waiting
        self._metrics = Metrics()
        self._is_open = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Task[None] | None = None

    @property
    def metrics(self) -> dict[str, Any]:
        """What has happened so far, as numbers; times in seconds.

        waiting                     steps that are queued now
        ticks, steps, failed        ticks; steps done; steps with an error
        mean_batch, batch_sizes     steps of a tick; how many ticks had so many steps, counted up to the next power of two
        mean_wait, longest_wait     for how long the first step of a tick was queued
        commits, longest_commit     of the store, with durable=True
        """
        return self._metrics.as_dict(self._n_waiting)

    async def step(self, key: Hashable, x: ArrayLike) -> Array:
        """Advance the stream of a key by one step; the stream begins if the key is new.

        key      any that can be in a dict; str, int or bytes if the pool has a store
        x        the input of a step, as for `Stream.step`; it is copied before others run
        returns  (output_size,), of the model's dtype, the caller's to keep

        Raises InputError for another shape or type, NonFiniteInputError for NaN or infinity, NonFiniteStateError if a finite
        input overflows the state, each naming the key; then its stream is unchanged. Raises StoreError if the store cannot
        be used; with durable=True the step may then be done in memory, and the message says so.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._enter(loop)
        if type(x) is not np.ndarray or x.shape != self._shape or x.dtype != self._dtype:
            x = converted(input_of(f"step: key {key!r}", x, self._shape), self._dtype)
        if self._n_outside or self._n_waiting >= self._max_waiting:
            x = x.copy()
            await self._wait_for_room()
        if not self._is_open:
            self._check_open()
        future = loop.create_future()
        try:
            is_full = self._rounds.add(key, x, future)
        except Exception as error:
            raise InputError(f"step: {type(key).__name__} cannot be a key ({error}); give a str or a number") from error
        self._n_waiting += 1
        if is_full:
            self._full.set()
        if self._server is None:
            self._server = loop.create_task(self._serve())
        return await future  # type: ignore[no-any-return]

    async def close_keys(self, keys: Iterable[Hashable]) -> None:
        """End the streams of some keys, in the store too, when their steps that are queued are done.

        Raises InputError for a key that has no stream; then none has ended. Raises StoreError if the store cannot be used.
        """
        given = list(keys)
        self._enter(asyncio.get_running_loop())
        while under_way := [future for key in given if (future := self._rounds.last_of(key)) is not None]:
            await asyncio.wait(under_way)
        await self._alone_with_pool(self._pool.close_keys, given)

    async def flush(self, note: str | None = None) -> None:
        """`StreamPool.flush`, between two ticks: save what has changed, and a note."""
        self._enter(asyncio.get_running_loop())
        await self._alone_with_pool(self._pool.flush, note)

    async def aclose(self) -> None:
        """Wait until all steps that are queued are done, take no more, and save all streams if the pool has a store."""
        self._enter(asyncio.get_running_loop())
        self._is_open = False
        while self._server is not None:
            await asyncio.wait([self._server])
        if self._pool.store is not None:
            await self._alone_with_pool(self._pool.flush)

    async def __aenter__(self) -> Self:
        self._check_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Batcher of {self._pool!r}>"

    def _check_open(self) -> None:
        if not self._is_open:
            raise InputError("this Batcher is closed, and takes no more steps; make a new one")

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to this event loop. Raises InputError while another one waits for steps."""
        if loop is self._loop:
            return
        if self._n_waiting:
            raise InputError(
                "this Batcher is in use in another event loop; use asyncio.run_coroutine_threadsafe, or make a new one"
            )
        self._loop = loop
        self._room, self._full = asyncio.Event(), asyncio.Event()
        self._first_outside, self._alone = asyncio.Lock(), asyncio.Lock()
        self._n_outside, self._server = 0, None

    async def _wait_for_room(self) -> None:
        """Wait until another step can be queued, after those who have waited longer."""
        self._n_outside += 1
        try:
            async with self._first_outside:
                while self._n_waiting >= self._max_waiting:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._n_outside -= 1

    async def _alone_with_pool(self, call: Callable[..., object], *arguments: Any) -> None:
        """Call a method of the pool while no tick is under way."""
        async with self._alone:
            await self._call(call, *arguments)

    async def _call(self, call: Callable[..., _Answer], *arguments: Any) -> _Answer:
        """Call what uses the store, in a thread if it waits for the disk."""
        if self._pool.store is not None and self._pool.store.sync:
            return await asyncio.to_thread(call, *arguments)
        return call(*arguments)

    async def _serve(self) -> None:
        """Take what waits, tick after tick, until nothing waits."""
        try:
            await self._gather()
            while self._rounds:
                async with self._alone:
                    await self._take_turn()
                await asyncio.sleep(0)  # so that the event loop goes on while much waits
        except BaseException:  # the event loop ends
            self._cancel([self._rounds.take() for _ in range(len(self._rounds))])
            raise
        finally:
            self._server = None

    async def _gather(self) -> None:
        """Wait for other steps, until a round is full, or for the time that the first step may wait."""
        await asyncio.sleep(0)
        if self._delay and not self._rounds.is_full:
            self._full.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._delay):
                    await self._full.wait()

    async def _take_turn(self) -> None:
        """Take the oldest round; if outputs wait for a commit, all rounds."""
        rounds = [self._rounds.take() for _ in range(len(self._rounds) if self._durable else 1)]
        try:
            answers = [await self._tick(one) for one in rounds]
            if self._durable:
                answers = await self._committed(answers)
        except BaseException:  # the event loop ends
            self._cancel(rounds)
            raise
        for each in answers:
            self._reply(each)

    async def _tick(self, one: Round) -> _Answers:
        """Take a round in one tick."""
        keys, waited = list(one.futures), perf_counter() - one.begun
        try:
            if needs_store(self._pool, keys):
                outputs, errors = await self._call(advance, self._pool, keys, one.inputs)
            else:
                outputs, errors = advance(self._pool, keys, one.inputs)
        except Exception as error:
            outputs, errors = np.empty((len(keys), 0)), dict.fromkeys(range(len(keys)), error)
        self._metrics.ticked(len(keys), len(errors), waited)
        return _Answers(one, outputs, errors)

    async def _committed(self, answers: list[_Answers]) -> list[_Answers]:
        """The answers, after what they tell has been saved."""
        begin = perf_counter()
        try:
            await self._call(self._pool.flush)
        except Exception as error:
            lost = StoreError(
                f"{error}; the step is done, but not saved yet: the next commit saves it, so do not give it again"
            )
            return [each._replace(errors=dict.fromkeys(range(len(each.round)), lost) | each.errors) for each in answers]
        self._metrics.committed(perf_counter() - begin)
        return answers

    def _reply(self, answers: _Answers) -> None:
        """Give each caller the output or the error."""
        for row, (future, output) in enumerate(zip(answers.round.futures.values(), answers.outputs, strict=True)):
            if future.done():  # its caller was cancelled
                continue
            if answers.errors and row in answers.errors:
                future.set_exception(answers.errors[row])
            else:
                future.set_result(output)
        self._leave(len(answers.round))

    def _cancel(self, rounds: Iterable[Round]) -> None:
        """Cancel whoever waits for a step of some rounds."""
        for one in rounds:
            for future in one.futures.values():
                future.cancel()
            self._leave(len(one))

    def _leave(self, n: int) -> None:
        """Make room for n more steps."""
        self._n_waiting -= n
        self._room.set()


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"Batcher: {name} {value!r} is not a whole number from 1 on")
    return value
