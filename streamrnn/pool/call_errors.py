"""The errors of a pool's calls, on the CPU and on a GPU."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

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
    rest = "all states are unchanged; leave the stream out, or replace the value with a number"
    error = NonFiniteInputError(f"input{list(index)} is {value}, for slot {slot}; {rest}")
    return _about(error, [slot], f"input{list(index[1:])} is {value}; {rest}")


def no_such_entry(slots: Sequence[int]) -> InputError:
    """The error for streams whose input is not an entry of the model's embedding."""
    why = (
        "an index is not a whole number, or not an entry of the embedding; the call is undone for all streams; give indices "
        "from 0 on"
    )
    return _about(InputError(f"{_named('slot', slots)}: {why}"), slots, why)


def state_overflow(slots: Sequence[int], dtype: Any) -> NonFiniteStateError:
    """The error for streams whose finite inputs drove their states out of the range of `dtype`."""
    why = (
        f"the state left the range of {dtype}; the call is undone for all streams; the input is too large or "
        "the model diverges: scale the input, reset the stream, or leave it out"
    )
    error = NonFiniteStateError(f"{_named('slot', slots)}: {why}")
    error.slots = tuple(slots)
    return _about(error, slots, why)


def slots_to_blame(error: InputError | NonFiniteStateError) -> tuple[int, ...]:
    """The slots that the error of a call is about; () if it is about none."""
    slots, _ = getattr(error, "_about", ((), ""))
    return tuple(map(int, slots))


def naming_keys(error: InputError | NonFiniteStateError, key_of: Mapping[int, Any]) -> InputError | NonFiniteStateError:
    """The error of a call, told of the keys of its streams instead of their slots; the error itself if it is of no stream."""
    slots, why = getattr(error, "_about", ((), ""))
    if not why:
        return error
    keys = [key_of[int(slot)] for slot in slots]
    told = type(error)(f"{_named('key', [repr(key) for key in keys])}: {why}")
    if isinstance(told, NonFiniteStateError):
        told.slots, told.keys = tuple(slots), tuple(keys)
    return told


_Error = TypeVar("_Error", InputError, NonFiniteInputError, NonFiniteStateError)


def _about(error: _Error, slots: Sequence[Any], why: str) -> _Error:
    """The error, with the streams that it is about, and what it says of them."""
    vars(error)["_about"] = slots, why
    return error


def _named(what: str, names: Sequence[Any]) -> str:
    return f"{what}{'s' * (len(names) > 1)} {', '.join(map(str, names))}"
