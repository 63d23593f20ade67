"""A Spark cluster on this machine, a master and two workers, from what pip has installed."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pyspark

_SECONDS = 180


class Cluster:
    """A master and two workers of one core each, until the end of the `with` statement. Raises RuntimeError if they do not
    start.

    master  its address, for a session
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        port = _free_port()
        self.master = f"spark://127.0.0.1:{port}"
        self._master = self._start("master", "master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0")
        self._workers = [
            self._start(f"worker{number}", "worker.Worker", "--webui-port", "0", "-c", "1", "-m", "1g", self.master)
            for number in range(2)
        ]

    def kill_a_worker(self) -> int:
        """`kill -9` a worker and its executors. Returns how many processes that were."""
        worker = self._workers[-1].pid
        killed = [worker, *_children(worker)]
        for process in killed:
            os.kill(process, signal.SIGKILL)
        return len(killed)

    def __enter__(self) -> Self:
        log, end = self._folder / "master.log", time.monotonic() + _SECONDS
        while log.read_text().count("Registering worker") < len(self._workers):
            if time.monotonic() > end or self._master.poll() is not None:
                self.__exit__(None, None, None)
                raise RuntimeError(f"the cluster has not started; the end of the master's log:\n{log.read_text()[-2000:]}")
            time.sleep(0.5)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in (*self._workers, self._master):
            for each in (*_children(process.pid), process.pid):
                try:
                    os.kill(each, signal.SIGTERM)
                except ProcessLookupError:
                    pass
        for process in (*self._workers, self._master):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()

    def _start(self, name: str, main: str, *arguments: str) -> "subprocess.Popen[bytes]":
        home = Path(pyspark.__file__).parent
        environment = os.environ | {
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_WORKER_DIR": str(self._folder / "work"),
        }
        command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{main}", *arguments]
        with open(self._folder / f"{name}.log", "wb") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _children(process: int) -> list[int]:
    """The processes that a process has started."""
    found = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]
