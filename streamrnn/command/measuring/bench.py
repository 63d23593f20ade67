"""All that `streamrnn bench` finds out about a model, as JSON values."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.command.measuring.latency import clock_cost, latency_of, raw_times, times_of
from streamrnn.command.measuring.loop import N_ROWS, steps_in_a_loop
from streamrnn.command.measuring.machine import surroundings
from streamrnn.command.measuring.memory import growth
from streamrnn.command.signals import undisturbed
from streamrnn.model import Model
from streamrnn.stream import Stream

if TYPE_CHECKING:
    from streamrnn_converters.reference_runs.session import Calls

Array = NDArray[np.floating[Any]]

#: Calls after which the other has its turn, and steps of a chunk and of the compiled loop. Every turn begins a signal, since
#: the numbers are drawn, and a model may leave the range of its type on them some day.
_TURN = 1000

#: Calls of a turn before those that are timed: the other has filled the caches with its own.
_WARM = 16


class _Contender(NamedTuple):
    """What is timed: a call, its arguments, and what goes before a turn."""

    call: Callable[[Any], object]
    arguments: list[Any]
    begin: Callable[[], object]


def measure(
    model: Model,
    source: bytes | None,
    n_steps: int,
    deadline: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Times of a model, and of an ONNX graph in onnxruntime: `n_steps` calls of each, in turns.

    deadline  nanoseconds, to count the calls that take longer
    progress  called with (done, total) as the calls go on

    Raises what the import of the graph raises, VerificationError where onnxruntime refuses it, MissingExtraError without it,
    NonFiniteStateError where numbers between -1 and 1 soon make the model overflow.
    """
    rows = np.random.default_rng(0).uniform(-1, 1, (N_ROWS, model.input_size)).astype(model.dtype)
    other = None if source is None else _calls_of(source, model)
    with undisturbed():
        stream = Stream(model)
        loop = steps_in_a_loop(stream, rows, _TURN)
    contenders = {"streamrnn": _Contender(stream.step, list(rows), stream.reset)}
    if other is not None:
        feeds = [other.feed(np.tile(row, (other.n_steps, 1))) for row in rows]
        contenders["onnxruntime"] = _Contender(other.run, feeds, lambda: None)
    clock = clock_cost()
    times = _in_turns(contenders, n_steps, progress)
    found = {name: _summary(np.maximum(raw - clock, 0), deadline) for name, raw in times.items()}
    found["streamrnn"] |= _inside(stream, loop, rows, n_steps)
    if other is not None:
        found["onnxruntime"] |= {"chunk": _chunk_of(other, rows), "loop": None, "memory": None}
    return {
        "model": {
            "fingerprint": model.fingerprint,
            "input_size": model.input_size,
            "output_size": model.output_size,
            "parameters": model.n_parameters,
            "dtype": model.dtype.name,
        },
        "environment": surroundings(),
        "steps": n_steps,
        "deadline_ns": deadline,
        "clock_ns": clock,
        "remarks": [] if other is None else list(other.remarks),
        "streamrnn": found["streamrnn"],
        "onnxruntime": found.get("onnxruntime"),
    }


def _calls_of(source: bytes, model: Model) -> "Calls":
    from streamrnn_converters.reference_runs.session import calls_of

    return calls_of(source, model.input_size)


def _in_turns(
    contenders: dict[str, _Contender], n_calls: int, progress: Callable[[int, int], None]
) -> dict[str, NDArray[np.float64]]:
    """The raw times of `n_calls` calls of each."""
    parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in contenders}
    for done in range(0, n_calls, _TURN):
        progress(done, n_calls)
        n_now = min(_TURN, n_calls - done)
        for name, (call, arguments, begin) in contenders.items():
            begin()
            times = raw_times(call, [arguments[index % len(arguments)] for index in range(_WARM + n_now)])
            parts[name].append(times[_WARM:])
    progress(n_calls, n_calls)
    return {name: np.concatenate(of_turns) for name, of_turns in parts.items()}


def _summary(times: NDArray[np.float64], deadline: float | None) -> dict[str, Any]:
    misses = None if deadline is None else int(np.count_nonzero(times > deadline))
    return {"step": latency_of(times).to_json(), "deadline_misses": misses}


def _inside(stream: Stream, loop: Callable[[], object], rows: Array, n_steps: int) -> dict[str, Any]:
    """What a call consists of: chunk, compiled loop and what is around it, memory."""
    step, many = stream.step, [rows[index % N_ROWS] for index in range(_TURN)]
    block = np.array(many)

    def steps() -> None:
        for row in many:
            step(row)

    def nothing() -> None:
        for _ in many:
            pass

    def chunk() -> None:
        stream.process(block)

    from_python, around, inside, in_chunk = (time / _TURN for time in times_of([steps, nothing, loop, chunk], stream.reset))
    return {
        "chunk": {"per_step_ns": round(in_chunk, 1)},
        "loop": {"per_step_ns": round(inside, 1), "dispatch_ns": round(from_python - around - inside, 1)},
        "memory": growth(stream.reset, steps, nothing, -(-n_steps // _TURN), _TURN).to_json(),
    }


def _chunk_of(other: "Calls", rows: Array) -> dict[str, float] | None:
    """One call for many steps, where the graph can have one."""
    if not other.any_length:
        return None
    feed = other.feed(np.tile(rows, (-(-_TURN // N_ROWS), 1))[:_TURN])
    (time,) = times_of([lambda: other.run(feed)])
    return {"per_step_ns": round(time / _TURN, 1)}
