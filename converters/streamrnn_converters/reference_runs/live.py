"""onnxruntime as a process that stays: asked many times in a row, it need not load the graph each time."""

import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from streamrnn.errors import MissingExtraError, VerificationError

Arrays = Mapping[str, NDArray[Any]]
_SERVER = Path(__file__).with_name("server.py")


@contextmanager
def live_reference(model: bytes, timeout: float = 600.0) -> Iterator["LiveReference"]:
    """A graph in an onnxruntime of its own: it aborts on some inputs, and that must not be ours.

    model    bytes of the ONNX file
    timeout  seconds that loading, and each run, may take

    Raises VerificationError where onnxruntime refuses, crashes or is late, MissingExtraError where it is not installed.
    """
    if find_spec("onnxruntime") is None:
        raise MissingExtraError("onnxruntime is not installed; `pip install 'streamrnn[convert]'` installs it")
    with tempfile.TemporaryDirectory(prefix="streamrnn-") as folder:
        path, said = Path(folder, "model.onnx"), Path(folder, "said")
        path.write_bytes(model)
        command = [sys.executable, "-P", str(_SERVER), str(path)]  # -P: what lies beside the server must not pass for a package
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with said.open("wb") as messages:
            process = subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, stderr=messages)
        try:
            yield LiveReference(process, said, timeout)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                try:
                    if pipe is not None:
                        pipe.close()
                except OSError:  # what nobody has read
                    pass


class LiveReference:
    """The process behind `live_reference`."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: Path, timeout: float) -> None:
        self._process, self._said, self._timeout = process, said, timeout
        #: Of onnxruntime.
        self.version = bytes(self._told(None)["version"]).decode()

    def run(self, feed: Arrays) -> dict[str, NDArray[Any]]:
        """The graph's outputs by name, for its inputs by name. Raises VerificationError."""
        return self._told(save({name: np.ascontiguousarray(array) for name, array in feed.items()}))

    def _told(self, request: bytes | None) -> dict[str, NDArray[Any]]:
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        watchdog = threading.Timer(self._timeout, give_up)
        watchdog.daemon = True
        watchdog.start()
        to, of = self._process.stdin, self._process.stdout
        assert to is not None
        assert of is not None
        try:
            if request is not None:
                to.write(struct.pack("<Q", len(request)) + request)
                to.flush()
            (size,) = struct.unpack("<Q", _exactly(of, 8))
            return load(_exactly(of, size))
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
        lines = self._said.read_text("utf-8", "replace").strip().splitlines() or [f"exit code {code}"]
        return VerificationError(f"onnxruntime cannot run the model: {lines[-1]}")


def _exactly(of: IO[bytes], size: int) -> bytes:
    data = of.read(size)
    if len(data) < size:
        raise EOFError
    return data
