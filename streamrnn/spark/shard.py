"""`Shard`: the streams of some keys, in one pool, and what is known of each key. It knows nothing of Spark."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import InputError, NonFiniteStateError
from streamrnn.model import Model
from streamrnn.pool import StreamPool
from streamrnn.spark.reasons import (
    ANSWERED,
    BAD,
    CLOSED,
    DOUBLED,
    LATE,
    NO_SUCH_ENTRY,
    NOT_FINITE,
    OVERFLOW,
    POISONED,
)
from streamrnn.spark.rows import Rows, Ticks
from streamrnn.spark.rules import Rules
from streamrnn.states.keys import Key
from streamrnn.target.packing import Array

#: The order of a key that has had no row.
NEVER = np.iinfo(np.int64).min

_Slots = NDArray[np.int64]
_Reasons = NDArray[np.uint8]


class Shard:
    """The streams of some keys. A key's place is the slot of its stream in the pool.

    model     the model
    rules     what becomes of rows that are not as they should be
    pool      the streams
    keys      by place: the key; None: the place is free
    last      (capacity,), by place: the order of the key's last row; NEVER: it may be anything
    poisoned  (capacity,) bool, by place
    lives     (capacity,) bool, by place: whether it has a key, between two calls
    changed   (capacity,) bool, by place: since `settle`, the state has changed, or the key has begun or ended
    """

    def __init__(self, model: Model, rules: Rules, capacity: int = 64) -> None:
        self.model, self.rules = model, rules
        self.pool = StreamPool(model, capacity)
        self.keys: list[Key | None] = []
        self.last = np.zeros(0, np.int64)
        self.poisoned, self.changed, self.lives = np.zeros(0, bool), np.zeros(0, bool), np.zeros(0, bool)
        self._places: dict[Key, int] = {}
        self._grow()

    def __len__(self) -> int:
        """How many keys have a stream."""
        return len(self._places)

    @property
    def places(self) -> _Slots:
        """The places of all keys, (n,), ascending."""
        return self.pool.slots

    @property
    def first_timeout(self) -> int | None:
        """The order after which the first of the keys has timed out; None: none will."""
        last = self.last[self.places]
        last = last[last != NEVER]
        return int(last.min()) + self.rules.timeout if self.rules.timeout is not None and len(last) else None

    def put(
        self, places: _Slots | None, keys: Sequence[Key], last: _Slots, poisoned: NDArray[np.bool_], states: Array | None
    ) -> None:
        """Begin the streams of some keys, which have none yet, as they were somewhere else.

        places  (n,): within the capacity of a shard that is empty; None: any
        states  (n, state_size); None: the initial ones
        """
        if places is None:
            places = self.pool.open_many(len(keys))
        elif len(places):
            self.pool.open_many(self.pool.capacity)  # which opens all of them, so that each key can have its own
            self.pool.close(np.setdiff1d(self.pool.slots, places))
        self._grow()
        self._name(keys, places)
        self.last[places], self.poisoned[places], self.lives[places] = last, poisoned, True
        if states is not None:
            self.pool.set_state_rows(places, states)

    def reset(self) -> None:
        """Set all states to the initial one. Keys and their last orders stay."""
        self.pool.reset()
        self.poisoned[:] = False
        self.changed[self.places] = True

    def advance(self, rows: Rows, watermark: int | None = None) -> tuple[Array, _Reasons]:
        """Take rows through their streams. Keys that are new begin, and keys that are closed end.

        watermark  keys that had timed out by this order may have been forgotten: rows that may be theirs are late
        returns    outputs (n, output_size) of the model's dtype, NaN where there is none, and the reasons (n,)

        Raises InputError for a late or doubled row if the rules refuse them. The shard cannot be used afterwards.
        """
        y = np.full((len(rows), self.model.output_size), np.nan, self.model.dtype)
        reason = rows.reason.copy()
        ticks = Ticks(rows, np.flatnonzero(reason == ANSWERED))
        places = self._places_of(rows.keys)[rows.key] if len(rows.keys) else np.zeros(len(rows), np.int64)
        plain = self._is_plain(rows, places, ticks, watermark)
        for tick in ticks:
            tried = tick if plain else self._admitted(tick, rows, places, reason, watermark)
            y[tried], reason[tried] = self._step(places[tried], rows.x[tried])
            answered = reason[tried] == ANSWERED
            self._count(tried[answered], rows, places)
            plain = plain and bool(answered.all())
            if not plain:
                self._apply_rules(tick, rows, places, reason)
        self._forget(places[ticks.ordered[ticks.begins]])
        return y, reason

    def forget_timed_out(self, watermark: int) -> None:
        """End the streams of keys that have timed out by an order."""
        if self.rules.timeout is not None:
            there = self.places[self.last[self.places] != NEVER]
            self.lives[there[self.last[there] + self.rules.timeout < watermark]] = False
            self._forget(there)

    def settle(self) -> None:
        """Take note that all changes have been kept."""
        self.changed[:] = False

    def _places_of(self, keys: Sequence[Key]) -> _Slots:
        """The places of keys; those that are new begin."""
        if new := [key for key in keys if key not in self._places]:
            places = self.pool.open_many(len(new))
            self._grow()
            self._name(new, places)
            self.last[places], self.poisoned[places], self.lives[places] = NEVER, False, False
        return np.fromiter(map(self._places.__getitem__, keys), np.int64, len(keys))

    def _name(self, keys: Sequence[Key], places: _Slots) -> None:
        for key, place in zip(keys, places.tolist(), strict=True):
            self.keys[place] = key
            self._places[key] = place

    def _grow(self) -> None:
        """Have a place for each slot of the pool."""
        missing = self.pool.capacity - len(self.last)
        if missing:
            self.keys += [None] * missing
            self.last = np.append(self.last, np.full(missing, NEVER))
            self.poisoned, self.changed, self.lives = (
                np.append(which, np.zeros(missing, bool)) for which in (self.poisoned, self.changed, self.lives)
            )

    def _forget(self, places: _Slots) -> None:
        """Free those of the places whose streams have ended, or have never begun."""
        ended = places[~self.lives[places]]
        if len(ended):
            for place in ended.tolist():
                key = self.keys[place]
                if key is not None:
                    del self._places[key]
                self.keys[place] = None
            self.changed[ended] = True
            self.pool.close(ended)

    def _is_plain(self, rows: Rows, places: _Slots, ticks: Ticks, watermark: int | None) -> bool:
        """Whether all rows are as they should be, which is the usual case, and can be said of all at once."""
        if not len(ticks.ordered):
            return True
        place, order = places[ticks.ordered], rows.order[ticks.ordered]
        follows = place[1:] == place[:-1]
        firsts, first_orders = place[ticks.begins], order[ticks.begins]
        last = self.last[firsts]
        if (order[1:] <= order[:-1])[follows].any() or (first_orders <= last).any() or self.poisoned[firsts].any():
            return False
        if rows.closes.any() or not np.isfinite(rows.x[ticks.ordered]).all():
            return False
        if self.rules.timeout is None:
            return True
        known = last != NEVER
        if watermark is not None and (first_orders[~known] + self.rules.timeout < watermark).any():
            return False
        gaps = (order[1:] - order[:-1])[follows], (first_orders - last)[known]
        return not any((gap > self.rules.timeout).any() for gap in gaps)

    def _admitted(self, tick: _Slots, rows: Rows, places: _Slots, reason: _Reasons, watermark: int | None) -> _Slots:
        """Those rows of a tick that the model may try; the others are given a reason. Streams after a gap begin anew."""
        now, order = places[tick], rows.order[tick]
        last = self.last[now]
        known = last != NEVER
        reason[tick[known & (order < last)]] = LATE
        reason[tick[known & (order == last)]] = DOUBLED
        if watermark is not None and self.rules.timeout is not None:
            reason[tick[~known & (order + self.rules.timeout < watermark)]] = LATE
        if self.rules.late == "refuse":
            self._refuse_late(tick, rows, reason)
        going = reason[tick] == ANSWERED
        after_gap = np.zeros(len(tick), bool)
        if self.rules.timeout is not None:
            after_gap = known & (order - np.where(known, last, order) > self.rules.timeout)
        x = rows.x[tick]
        reason[tick[going & ~np.isfinite(x).all(axis=1)]] = NOT_FINITE
        reason[tick[going & rows.closes[tick] & np.isnan(x).all(axis=1)]] = CLOSED
        reason[tick[going & self.poisoned[now] & ~after_gap & (reason[tick] != CLOSED)]] = POISONED
        admitted = reason[tick] == ANSWERED
        self._begin_anew(now[admitted & after_gap])
        taken: _Slots = tick[admitted]
        return taken

    def _begin_anew(self, places: _Slots) -> None:
        self.pool.reset(places)
        self.poisoned[places] = False

    def _count(self, some: _Slots, rows: Rows, places: _Slots) -> None:
        """Let some rows be the last ones of their keys so far."""
        now = places[some]
        self.last[now] = rows.order[some]
        self.lives[now] = self.changed[now] = True

    def _refuse_late(self, tick: _Slots, rows: Rows, reason: _Reasons) -> None:
        late = tick[(reason[tick] == LATE) | (reason[tick] == DOUBLED)]
        if len(late):
            row = late[0]
            what = "late" if reason[row] == LATE else "doubled"
            raise InputError(
                f"advance: the row of key {rows.keys[rows.key[row]]!r} with order {rows.order[row]} is {what}, and "
                "late='refuse'; mend the source, or drop such rows with late='drop'"
            )

    def _step(self, places: _Slots, x: Array) -> tuple[Array, _Reasons]:
        """One step of some streams: outputs, and why a stream has not moved. Others are not held up by it."""
        y = np.full((len(places), self.model.output_size), np.nan, self.model.dtype)
        reason = np.zeros(len(places), np.uint8)
        untried = [np.arange(len(places))]
        while untried:
            part = untried.pop()
            try:
                y[part] = self.pool.step(places[part], x[part])
            except NonFiniteStateError as error:
                to_blame = np.isin(places[part], error.slots)
                reason[part[to_blame]] = OVERFLOW
                untried.append(part[~to_blame])
            except InputError:
                if len(part) == 1:
                    reason[part] = NO_SUCH_ENTRY
                else:
                    untried += np.array_split(part, 2)
        return y, reason

    def _apply_rules(self, tick: _Slots, rows: Rows, places: _Slots, reason: _Reasons) -> None:
        """What follows from rows that the model could not take, and from those that close their key."""
        self._count(tick[reason[tick] == POISONED], rows, places)
        bad = tick[np.isin(reason[tick], BAD)]
        if self.rules.bad != "skip":
            self._count(bad, rows, places)
            self._begin_anew(places[bad])
            self.poisoned[places[bad]] = self.rules.bad == "poison"
        ended = places[tick[rows.closes[tick] & ~np.isin(reason[tick], (LATE, DOUBLED))]]
        self._begin_anew(ended)
        self.last[ended], self.lives[ended] = NEVER, False
        self.changed[ended] = True
