"""`Rounds`: steps that wait, as rounds. A round has one step of each of its keys, so that a tick can take it as a whole."""

from __future__ import annotations

from asyncio import Future
from collections import deque
from collections.abc import Hashable
from itertools import islice
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]


class Round:
    """Steps of different keys.

    number   of the round; the next one has the next number
    futures  key -> what its caller awaits, in the order of the rows
    begun    when its first step came, in seconds of `time.perf_counter`
    """

    def __init__(self, number: int, inputs: Array) -> None:
        self.number, self._inputs = number, inputs
        self.futures: dict[Hashable, Future[Array]] = {}
        self.begun = perf_counter()

    def __len__(self) -> int:
        return len(self.futures)

    @property
    def inputs(self) -> Array:
        """Their inputs, (n, ...)."""
        return self._inputs[: len(self.futures)]

    def add(self, key: Hashable, x: Array, future: Future[Array]) -> None:
        """Add a step of a key that the round does not have. Copies x."""
        self._inputs[len(self.futures)] = x
        self.futures[key] = future


class Rounds:
    """The rounds that wait, the oldest first. The n-th step of a key is in an earlier round than its next one.

    max_keys    of a round
    step_shape  of the input of a step
    dtype       of inputs
    """

    def __init__(self, max_keys: int, step_shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._max_keys, self._shape, self._dtype = max_keys, (max_keys, *step_shape), dtype
        self._rounds: deque[Round] = deque()
        self._last: dict[Hashable, Round] = {}  # of each key that waits, the round of its last step
        self._number = 0

    def __len__(self) -> int:
        return len(self._rounds)

    @property
    def is_full(self) -> bool:
        """Whether a round has all the keys that it can have."""
        return bool(self._rounds) and len(self._rounds[0]) >= self._max_keys

    def add(self, key: Hashable, x: Array, future: Future[Array]) -> bool:
        """Put a step into the first round that has room and comes after those of the key's earlier steps.

        Returns whether that round is full now.
        """
        before = self._last.get(key)
        skipped = 0 if before is None else before.number + 1 - self._rounds[0].number
        for one in islice(self._rounds, skipped, None):
            if len(one.futures) < self._max_keys:
                break
        else:
            one = Round(self._number, np.empty(self._shape, self._dtype))
            self._rounds.append(one)
            self._number += 1
        one.add(key, x, future)
        self._last[key] = one
        return len(one.futures) == self._max_keys

    def take(self) -> Round:
        """Take the oldest round out."""
        one = self._rounds.popleft()
        last = self._last
        for key in one.futures:
            if last[key] is one:
                del last[key]
        return one

    def last_of(self, key: Hashable) -> Future[Array] | None:
        """What the caller of a key's last step awaits; None if no step of the key waits."""
        one = self._last.get(key)
        return None if one is None else one.futures[key]
