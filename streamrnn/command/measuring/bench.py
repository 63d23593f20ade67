"""The measurements of `streamrnn bench`, as JSON values."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.command.measuring.latency import Times, clock_cost, latency_of, raw_times, times_of
from streamrnn.command.measuring.loop import N_ROWS, steps_in_a_loop
from streamrnn.command.measuring.machine import surroundings
from streamrnn.command.measuring.memory import growth
from streamrnn.command.signals import signals_deferred
from streamrnn.errors import ModelError
from streamrnn.model import Model
from streamrnn.stream import Stream

if TYPE_CHECKING:
    from streamrnn_converters.reference_runs.session import Calls

Array = NDArray[np.floating[Any]]

#: The calls of one engine before the other one continues, and the steps of a chunk and of the compiled loop. The stream is
#: reset before each round: on random inputs the state of some models grows without end.
_ROUND = 1000

#: Calls of a round that are not timed: the other engine has filled the caches with its data.
_WARM_UP = 16


class _Engine(NamedTuple):
    """An engine: the call that is timed, its arguments, and what is called before each round."""

    call: Callable[[Any], object]
    arguments: list[Any]
    begin: Callable[[], object]


def measure(
    model: Model,
    source: bytes | None,
    n_steps: int,
    deadline: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    seen: Callable[[dict[str, Times]], None] = lambda times: None,
) -> dict[str, Any]:
    """Measure `n_steps` calls of a model and, alternating with it, of an ONNX graph in onnxruntime.

    source    the ONNX graph; None: measure the model only
    deadline  in nanoseconds; the calls that take longer are counted
    progress  called with (done, total) as the calls go on
    seen      called with the nanoseconds of all calls of each engine

    Raises ModelError for a graph beside a model whose steps take several rows, what the import of the graph raises,
    VerificationError if onnxruntime refuses it, MissingExtraError if onnxruntime is not installed, and NonFiniteStateError if
    the model overflows on inputs between -1 and 1.
    """
    if source is not None and model.stride > 1:
        raise ModelError(f"a step of this model takes {model.stride} rows, and a graph cannot be timed beside it; leave it out")
    rows = np.random.default_rng(0).uniform(-1, 1, (N_ROWS, *model.step_shape)).astype(model.dtype)
    other = None if source is None else _calls_of(source, model)
    with signals_deferred():
        stream = Stream(model)
        loop = steps_in_a_loop(stream, rows, _ROUND)
    engines = {"streamrnn": _Engine(stream.step, list(rows), stream.reset)}
    if other is not None:
        feeds = [other.feed(np.tile(row, (other.n_steps, 1))) for row in rows]
        engines["onnxruntime"] = _Engine(other.run, feeds, lambda: None)
    clock = clock_cost()
    times = _alternating(engines, n_steps, progress)
    net = {name: np.maximum(raw - clock, 0) for name, raw in times.items()}
    seen(net)
    found = {name: _summary(each, deadline) for name, each in net.items()}
    found["streamrnn"] |= _parts(stream, loop, rows, n_steps)
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


def _alternating(
    engines: dict[str, _Engine], n_calls: int, progress: Callable[[int, int], None]
) -> dict[str, NDArray[np.float64]]:
    """The raw times of `n_calls` calls of each engine."""
    parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in engines}
    for done in range(0, n_calls, _ROUND):
        progress(done, n_calls)
        n_now = min(_ROUND, n_calls - done)
        for name, (call, arguments, begin) in engines.items():
            begin()
            times = raw_times(call, [arguments[index % len(arguments)] for index in range(_WARM_UP + n_now)])
            parts[name].append(times[_WARM_UP:])
    progress(n_calls, n_calls)
    return {name: np.concatenate(rounds) for name, rounds in parts.items()}


def _summary(times: NDArray[np.float64], deadline: float | None) -> dict[str, Any]:
    misses = None if deadline is None else int(np.count_nonzero(times > deadline))
    return {"step": latency_of(times).to_json(), "deadline_misses": misses}


def _parts(stream: Stream, loop: Callable[[], object], rows: Array, n_steps: int) -> dict[str, Any]:
    """The parts of a call: time per step in a chunk and in the compiled loop, what the call from Python adds, and memory."""
    step, many = stream.step, [rows[index % N_ROWS] for index in range(_ROUND)]
    block = np.array(many).reshape(-1, stream.model.input_size)

    def steps() -> None:
        for row in many:
            step(row)

    def nothing() -> None:
        for _ in many:
            pass

    def chunk() -> None:
        stream.process(block)

    from_python, loop_overhead, compiled, in_chunk = (
        time / _ROUND for time in times_of([steps, nothing, loop, chunk], stream.reset)
    )
    return {
        "chunk": {"per_step_ns": round(in_chunk, 1)},
        "loop": {"per_step_ns": round(compiled, 1), "dispatch_ns": round(from_python - loop_overhead - compiled, 1)},
        "memory": growth(stream.reset, steps, nothing, -(-n_steps // _ROUND), _ROUND).to_json(),
    }


def _chunk_of(other: "Calls", rows: Array) -> dict[str, float] | None:
    """The time per step of one call of many steps; None if the graph takes a fixed number of steps."""
    if not other.any_length:
        return None
    feed = other.feed(np.tile(rows, (-(-_ROUND // N_ROWS), 1))[:_ROUND])
    (time,) = times_of([lambda: other.run(feed)])
    return {"per_step_ns": round(time / _ROUND, 1)}
