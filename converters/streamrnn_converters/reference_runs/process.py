"""onnxruntime in a process of its own, which loads a graph once and runs it any number of times."""

import os
import signal
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from streamrnn.errors import VerificationError
from streamrnn_converters.missing import missing_extra
from streamrnn_converters.own_process import command_of

Arrays = Mapping[str, NDArray[Any]]
_SERVER = Path(__file__).with_name("server.py")


@contextmanager
def reference_process(model: bytes, timeout: float = 600.0, *, in_total: bool = False) -> Iterator["ReferenceProcess"]:
    """Start onnxruntime with a graph; end it with the block.

    model     bytes of the ONNX file
    timeout   seconds that loading, and each run, may take
    in_total  whether the timeout is for loading and all runs together

    Raises VerificationError where onnxruntime refuses, crashes or is late, MissingExtraError where it is not installed.
    """
    if find_spec("onnxruntime") is None:
        raise missing_extra("onnxruntime", "convert")
    with tempfile.TemporaryDirectory(prefix="streamrnn-") as folder:
        path, messages = Path(folder, "model.onnx"), Path(folder, "messages")
        path.write_bytes(model)
        command, environment = command_of(_SERVER, str(path)), os.environ | {"OMP_NUM_THREADS": "1"}
        with messages.open("wb") as stderr:
            process = subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, stderr=stderr)
        try:
            yield ReferenceProcess(process, messages, timeout, in_total)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                try:
                    if pipe is not None:
                        pipe.close()
                except OSError:  # a request that was not read
                    pass


class ReferenceProcess:
    """What `reference_process` gives."""

    def __init__(self, process: "subprocess.Popen[bytes]", messages: Path, timeout: float, in_total: bool) -> None:
        self._process, self._messages, self._timeout, self._in_total = process, messages, timeout, in_total
        self._deadline = time.monotonic() + timeout
        #: Of onnxruntime.
        self.version = bytes(self._answer(None)["version"]).decode()

    def run(self, feed: Arrays) -> dict[str, NDArray[Any]]:
        """The graph's outputs by name, for its inputs by name. Raises VerificationError."""
        return self._answer(save({name: np.asarray(array, order="C") for name, array in feed.items()}))

    def _answer(self, request: bytes | None) -> dict[str, NDArray[Any]]:
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        if not self._in_total:
            self._deadline = time.monotonic() + self._timeout
        watchdog = threading.Timer(self._deadline - time.monotonic(), give_up)
        watchdog.daemon = True
        watchdog.start()
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        try:
            if request is not None:
                requests.write(struct.pack("<Q", len(request)) + request)
                requests.flush()
            (size,) = struct.unpack("<Q", _read(answers, 8))
            return load(_read(answers, size))
        except (OSError, EOFError):
            raise self._failure(late.is_set()) from None
        finally:
            watchdog.cancel()

    def _failure(self, late: bool) -> VerificationError:
        code = self._process.wait()
        if late:
            return VerificationError(f"onnxruntime did not answer within {self._timeout:g} s; try fewer steps")
        if code < 0:
            name = {s.value: s.name for s in signal.Signals}.get(-code, f"signal {-code}")
            return VerificationError(f"onnxruntime crashed ({name}) while it ran the model; it cannot serve as the reference")
        lines = self._messages.read_text("utf-8", "replace").strip().splitlines() or [f"exit code {code}"]
        return VerificationError(f"onnxruntime cannot run the model: {lines[-1]}")


def _read(pipe: IO[bytes], size: int) -> bytes:
    """Exactly so many bytes. Raises EOFError where the process ends before."""
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data
