"""The errors of a pool's calls, on the CPU and on a GPU."""

from collections.abc import Sequence
from typing import Any

from streamrnn.errors import InputError, NonFiniteInputError, NonFiniteStateError, StreamBusyError


def refuse() -> None:
    """Raise the error for a caller who finds another one in the pool."""
    raise StreamBusyError("another thread is in this pool; give each thread its own, or take turns with a lock")


def inputs_changed(call: str) -> InputError:
    """The error for a call whose inputs were wrong when the driver read them, and are not any more."""
    return InputError(
        f"{call}: another thread changed the inputs during the call; all states are unchanged; pass arrays that nobody writes "
        "to meanwhile"
    )


def non_finite_input(index: Sequence[int], value: Any, slot: Any) -> NonFiniteInputError:
    """The error for NaN or infinity at an index of a call's inputs."""
    return NonFiniteInputError(
        f"input{list(index)} is {value}, for slot {slot}; all states are unchanged; leave the stream out, or replace the value "
        "with a number"
    )


def no_such_entry(slots: Sequence[int]) -> InputError:
    """The error for streams whose input is not an entry of the model's embedding."""
    return InputError(
        f"{_named(slots)}: an index is not a whole number, or not an entry of the embedding; the call is undone for all "
        "streams; give indices from 0 on"
    )


def state_overflow(slots: Sequence[int], dtype: Any) -> NonFiniteStateError:
    """The error for streams whose finite inputs drove their states out of the range of `dtype`."""
    error = NonFiniteStateError(
        f"{_named(slots)}: the state left the range of {dtype}; the call is undone for all streams; the input is too large or "
        "the model diverges: scale the input, reset the stream, or leave it out"
    )
    error.slots = tuple(slots)
    return error


def _named(slots: Sequence[int]) -> str:
    return f"slot{'s' * (len(slots) > 1)} {', '.join(map(str, slots))}"
