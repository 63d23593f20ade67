"""What onnxruntime answers, asked in a process of its own: it aborts on some inputs, and that must not be ours."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from streamrnn.errors import MissingExtraError, VerificationError

Arrays = Mapping[str, NDArray[Any]]
_WORKER = Path(__file__).with_name("worker.py")


def run_reference(
    model: bytes, feeds: Sequence[Arrays], timeout: float = 600.0, carried: Mapping[str, str] | None = None
) -> tuple[list[dict[str, NDArray[Any]]], str]:
    """Run a model once for each of `feeds` (name -> array); returns the outputs by name, and onnxruntime's version.

    carried  input -> output: a feed that lacks such an input takes what the run before gave as that output

    Raises VerificationError where onnxruntime refuses the model, crashes, or takes longer than `timeout` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="streamrnn-") as folder:
        place = Path(folder)
        (place / "model.onnx").write_bytes(model)
        flat = {f"{run}/{name}": np.asarray(x, order="C") for run, feed in enumerate(feeds) for name, x in feed.items()}
        save_file(flat, place / "feeds.safetensors", {"carried": json.dumps(dict(carried or {}))})
        _work(place, timeout)
        with safe_open(place / "results.safetensors", "numpy") as results:
            outputs: list[dict[str, NDArray[Any]]] = [{} for _ in feeds]
            for key in results.keys():  # noqa: SIM118 - no mapping
                run, _, name = key.partition("/")
                outputs[int(run)][name] = results.get_tensor(key)
            return outputs, results.metadata()["onnxruntime"]


def _work(place: Path, timeout: float) -> None:
    if find_spec("onnxruntime") is None:
        raise MissingExtraError("onnxruntime is not installed; `pip install 'streamrnn[convert]'` installs it")
    command = [sys.executable, "-P", str(_WORKER), str(place)]  # -P: what lies beside the worker must not pass for a package
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    try:
        ended = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise VerificationError(f"onnxruntime did not answer within {timeout:g} s; try fewer steps") from None
    if ended.returncode < 0:
        name = {s.value: s.name for s in signal.Signals}.get(-ended.returncode, f"signal {-ended.returncode}")
        raise VerificationError(f"onnxruntime crashed ({name}) while it ran the model; it cannot serve as the reference")
    if ended.returncode:
        lines = ended.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {ended.returncode}"]
        raise VerificationError(f"onnxruntime cannot run the model: {lines[-1]}")
