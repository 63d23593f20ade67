"""`streamrnn bench`: the latency of a model on this machine."""

import json
import signal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from streamrnn import code_cache
from streamrnn.command import exit_codes
from streamrnn.command.console import print_message, show
from streamrnn.command.measuring.latency import Times
from streamrnn.command.measuring.picture import draw
from streamrnn.command.picture_option import check_picture
from streamrnn.command.progress_bar import progress_bar
from streamrnn.command.source_file import load_archive, read_source
from streamrnn.command.table import plain_table
from streamrnn.errors import MissingExtraError

#: Label of a row, and where its time is in the results.
_TIMES = {
    "step p50": ("step", "p50_ns"),
    "step p99": ("step", "p99_ns"),
    "step p99.9": ("step", "p99_9_ns"),
    "step max": ("step", "max_ns"),
    "chunk, per step": ("chunk", "per_step_ns"),
    "compiled loop, per step": ("loop", "per_step_ns"),
    "call from Python adds": ("loop", "dispatch_ns"),
}


def bench(
    archive: Annotated[Path, typer.Argument(metavar="MODEL", help="An archive that `streamrnn import` wrote.")],
    against: Annotated[
        Path | None, typer.Option(metavar="SOURCE", help="An ONNX model, to measure in onnxruntime beside it.")
    ] = None,
    n_steps: Annotated[int, typer.Option("--steps", metavar="N", min=100, help="The number of timed calls of each.")] = 100_000,
    deadline: Annotated[
        float | None, typer.Option(metavar="µs", min=0, help="Count the calls that take longer than so many microseconds.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the times of all calls as a histogram: .png, .svg or .pdf.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with times in nanoseconds.")] = False,
) -> None:
    """Measure the latency of a model.

    It times each call of `step` for the percentiles p50, p99, p99.9 and the maximum, and subtracts the time of reading the
    clock. It also measures the time per step of `process`, of a compiled loop of single steps, and of the call from Python,
    and the memory that steps take. With --against, onnxruntime does the same in one thread, alternating with streamrnn.

    Loop and call are the fastest of 25 runs of 1000 steps in a row: their sum is what a step takes undisturbed. p50 is the
    median of single calls, and is more on a busy machine or beside onnxruntime.

    With --plot it draws how often a call took how long, with p50, p99 and p99.9 marked (the extra `plot`).

    Other work on the machine shows in p99.9 and the maximum: close what you can, and repeat.

    \b
    Exit code 0: measured; 5: with --deadline, some calls of streamrnn took longer.

    \b
    Examples:
      streamrnn bench vad.safetensors
      streamrnn bench vad.safetensors --against vad.onnx --plot latency.png
      streamrnn bench vad.safetensors --steps 1000000 --deadline 50 --json | jq .streamrnn.step
    """
    if code_cache.numba_version() is None:
        raise MissingExtraError(
            "bench: needs Numba for a compiled loop, and it is not installed; pip install 'streamrnn[compile]'"
        )
    if plot is not None:
        check_picture(plot, archive)
    model = load_archive(archive)
    times: dict[str, Times] = {}
    source = None if against is None else read_source(against)
    try:
        from streamrnn.command.measuring.bench import measure  # here, because it imports Numba, which takes long

        with progress_bar("measuring", threaded=False) as advance:
            found = measure(model, source, n_steps, None if deadline is None else deadline * 1000, advance, times.update)
    except KeyboardInterrupt:
        raise typer.Exit(exit_codes.INTERRUPTED + signal.SIGINT) from None
    found = {"model": {"file": archive.name} | found.pop("model")} | found
    for remark in found["remarks"]:
        print_message(f"remark: {remark}")
    show(json.dumps(found, indent=2) if as_json else _table(found, deadline))
    if plot is not None:
        draw(times, plot, f"{n_steps} calls of {archive.name}")
        print_message(f"{plot}: written")
    missed = found["streamrnn"]["deadline_misses"]
    if missed:
        print_message(f"error: {missed} of {n_steps} steps took longer than {deadline:g} µs")
        raise typer.Exit(exit_codes.TOO_LATE)


def _table(found: dict[str, Any], deadline: float | None) -> Table:
    """A column for each engine, in microseconds."""
    names = [name for name in ("streamrnn", "onnxruntime") if found[name]]
    engines = [found[name] for name in names]
    rows = [[label, *(_microseconds(engine[group], name) for engine in engines)] for label, (group, name) in _TIMES.items()]
    if deadline is not None:
        rows.append([f"steps over {deadline:g} µs", *(str(engine["deadline_misses"]) for engine in engines)])
    memory = engines[0]["memory"]
    rows.append([f"bytes taken by {memory['n_steps']} steps", str(memory["traced_bytes"])])
    resident = memory["resident_bytes"]
    rows.append(["bytes that stay resident", "unknown" if resident is None else str(resident)])
    return plain_table([f"{found['model']['file']}, µs", *names], rows, right=names)


def _microseconds(group: dict[str, float] | None, name: str) -> str:
    return "-" if group is None or group.get(name) is None else f"{group[name] / 1000:.3f}"
