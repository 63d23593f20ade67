"""The machine and the versions of a measurement."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from streamrnn.target.machine import this_machine

_PACKAGES = ("streamrnn", "numba", "llvmlite", "numpy", "onnxruntime", "torch")


def surroundings() -> dict[str, Any]:
    """CPU, system, versions, number of threads and date (UTC)."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
        "threads": 1,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def cpu_name() -> str:
    """The name of the CPU, and that of the machine for which code is made, in LLVM."""
    return f"{_model_name() or platform.machine()} ({this_machine().cpu})"


def _model_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
