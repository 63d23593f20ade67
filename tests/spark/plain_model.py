"""What must come out of a stream of events: one `Stream` for each key, row by row, in plain Python."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from streamrnn import InputError, Model, NonFiniteStateError, Stream
from streamrnn.spark import reasons
from streamrnn.spark.rules import Rules


class Event(NamedTuple):
    key: Any
    order: int | None
    x: tuple[float, ...]
    closes: bool = False


class Answer(NamedTuple):
    """Of an event: the bytes of its output, b"" if it has none, and the reason."""

    event: Event
    y: bytes
    reason: int


@dataclass
class OfKey:
    stream: Stream
    last: int | None = None
    poisoned: bool = False


def answers(model: Model, rules: Rules, batches: list[list[Event]]) -> tuple[list[Answer], dict[Any, OfKey]]:
    """The answers to all events, and what is kept of each key. A batch is sorted by order first."""
    kept: dict[Any, OfKey] = {}
    told = []
    for batch in batches:
        for event in sorted(batch, key=_rank):
            told.append(_answer(model, rules, kept, event))
    return told, kept


def _rank(event: Event) -> Any:
    bad = not all(np.isfinite(event.x))
    ranks = [(np.isnan(value), 0.0 if np.isnan(value) else value) for value in event.x]
    return event.order is not None, event.order or 0, bad, ranks, event.closes


def _answer(model: Model, rules: Rules, kept: dict[Any, OfKey], event: Event) -> Answer:
    if event.key is None:
        return Answer(event, b"", reasons.NO_KEY)
    if event.order is None:
        return Answer(event, b"", reasons.NO_ORDER)
    of_key = kept.get(event.key) or OfKey(Stream(model))
    if of_key.last is not None and event.order <= of_key.last:
        return Answer(event, b"", reasons.LATE if event.order < of_key.last else reasons.DOUBLED)
    gap = rules.timeout is not None and of_key.last is not None and event.order - of_key.last > rules.timeout
    y, reason = b"", reasons.ANSWERED
    if event.closes and all(np.isnan(event.x)):
        reason = reasons.CLOSED
    elif of_key.poisoned and not gap:
        reason = reasons.POISONED
    else:
        y, reason = _step(of_key, gap, np.array(event.x))
    if reason == reasons.ANSWERED:
        of_key.poisoned = False
    if reason in reasons.BAD and rules.bad != "skip":
        of_key.stream.reset()
        of_key.poisoned = rules.bad == "poison"
    if event.closes:
        kept.pop(event.key, None)
    elif reason not in reasons.BAD or rules.bad != "skip":
        of_key.last = event.order
        kept[event.key] = of_key
    return Answer(event, y, reason)


def _step(of_key: OfKey, gap: bool, x: Any) -> tuple[bytes, int]:
    if not np.isfinite(x).all():
        return b"", reasons.NOT_FINITE
    if gap:
        of_key.stream.reset()
    try:
        return of_key.stream.step(x).tobytes(), reasons.ANSWERED
    except NonFiniteStateError:
        return b"", reasons.OVERFLOW
    except InputError:
        return b"", reasons.NO_SUCH_ENTRY
