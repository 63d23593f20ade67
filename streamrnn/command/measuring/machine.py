"""On what something was measured: a figure without it says nothing."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("streamrnn", "numba", "llvmlite", "numpy", "onnxruntime", "torch")


def surroundings() -> dict[str, Any]:
    """The CPU, what runs on it, the versions, the date (UTC)."""
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
    """What the CPU calls itself, and the name by which LLVM knows it."""
    from llvmlite import binding

    return f"{_own_name() or platform.machine()} ({binding.get_host_cpu_name()})"


def _own_name() -> str:
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
