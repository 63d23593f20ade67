"""One tick of a pool in which an error reaches only its own key."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import InputError, NonFiniteInputError, NonFiniteStateError, StreamRNNError
from streamrnn.pool import StreamPool
from streamrnn.pool.call_errors import slots_to_blame

Array = NDArray[Any]
Errors = dict[int, Exception]


def advance(pool: StreamPool, keys: Sequence[Hashable], x: Array) -> tuple[Array, Errors]:
    """Advance the streams of some keys, without duplicates, by one step; streams of new keys begin.

    x        (n, ...), of the model's dtype
    returns  the outputs, (n, output_size), and the errors by row. A row with an error has no output, and its stream has not
             moved

    Raises StreamRNNError where the error is nobody's own; then no stream has moved.
    """
    if np.isfinite(x).all():
        try:
            return pool.step(_slots(pool, keys), x), {}
        except StreamRNNError:
            pass  # whose is it?
    errors = _errors_of_inputs(keys, x)
    errors |= _errors_of_keys(pool, keys, [row for row in range(len(keys)) if row not in errors])
    y = np.zeros((len(keys), pool.model.output_size), x.dtype)
    while rows := [row for row in range(len(keys)) if row not in errors]:
        slots = _slots(pool, [keys[row] for row in rows])
        try:
            y[rows] = pool.step(slots, x[rows])
            break
        except (InputError, NonFiniteStateError) as error:
            wrong = {row: keys[row] for row, slot in zip(rows, slots.tolist(), strict=True) if slot in slots_to_blame(error)}
            if not wrong:
                raise
            errors |= {row: _of_key(error, key, x.dtype) for row, key in wrong.items()}
    return y, errors


def needs_store(pool: StreamPool, keys: Sequence[Hashable]) -> bool:
    """Whether a tick of these keys waits for the pool's store."""
    return pool.store is not None and any(key not in pool.keys for key in keys)


def _slots(pool: StreamPool, keys: Sequence[Hashable]) -> NDArray[np.int64]:
    """The slots of the keys; streams of new keys begin."""
    if pool.store is not None:
        return pool.open_keys(keys)
    known = pool.keys
    try:
        return np.array([known[key] for key in keys], np.int64)
    except KeyError:
        pool.open_keys([key for key in keys if key not in known])
        return np.array([known[key] for key in keys], np.int64)


def _errors_of_inputs(keys: Sequence[Hashable], x: Array) -> Errors:
    """The errors of those rows that are not finite."""
    errors: Errors = {}
    for row in np.flatnonzero(~np.isfinite(x).reshape(len(x), -1).all(axis=1)).tolist():
        index = [int(i) for i in np.argwhere(~np.isfinite(x[row]))[0]]
        found = f"key {keys[row]!r}: input{index} is {x[(row, *index)]}"
        errors[row] = NonFiniteInputError(f"{found}; its stream is unchanged; replace the value with a number")
    return errors


def _errors_of_keys(pool: StreamPool, keys: Sequence[Hashable], rows: Sequence[int]) -> Errors:
    """The errors of those rows whose stream cannot begin, or be brought back."""
    try:
        _slots(pool, [keys[row] for row in rows])
        return {}
    except StreamRNNError:
        pass
    errors: Errors = {}
    for row in rows:
        try:
            _slots(pool, [keys[row]])
        except StreamRNNError as error:
            errors[row] = error
    return errors


def _of_key(error: InputError | NonFiniteStateError, key: Hashable, dtype: np.dtype[Any]) -> StreamRNNError:
    """What an error of a call says to a key that is to blame for it."""
    if not isinstance(error, NonFiniteStateError):
        return InputError(
            f"key {key!r}: the input is not an entry of the embedding; its stream is unchanged; give indices from 0 on"
        )
    told = NonFiniteStateError(
        f"key {key!r}: the state left the range of {dtype}; its stream is unchanged; the input is too large or the model "
        "diverges: scale the input, or close the key to begin again"
    )
    told.keys = (key,)
    return told
