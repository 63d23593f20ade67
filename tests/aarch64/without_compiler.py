"""A plugin of pytest (`-p tests.aarch64.without_compiler`): streamrnn without Numba and llvmlite, on code made elsewhere.

The environment variable STREAMRNN_TEST_KERNELS names a folder that `tests.aarch64.emit` has written. A function that is not in
it cannot be had, so a test that needs it fails.
"""

import ctypes
import json
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

_FOLDER = Path(os.environ["STREAMRNN_TEST_KERNELS"])
_MANIFEST = json.loads((_FOLDER / "kernels.json").read_text("ascii"))


def _stand_in_for_llvmlite() -> None:
    """llvmlite, as far as it says what the CPU is."""
    llvmlite = ModuleType("llvmlite")
    llvmlite.binding = SimpleNamespace(  # type: ignore[attr-defined]
        get_process_triple=lambda: _MANIFEST["triple"],
        get_host_cpu_name=lambda: _MANIFEST["cpu"],
        get_host_cpu_features=lambda: SimpleNamespace(flatten=str),
    )
    sys.modules["llvmlite"] = llvmlite


_stand_in_for_llvmlite()

from streamrnn.code_cache import Function, code  # noqa: E402
from streamrnn.target.packing import Width  # noqa: E402

_LIBRARY = ctypes.CDLL(str(_FOLDER / "kernels.so"))
for _entry in _MANIFEST["functions"]:
    _fields = _entry["width"] | {"dtype": getattr(np, _entry["width"]["dtype"])}
    _address = ctypes.cast(getattr(_LIBRARY, _entry["symbol"]), ctypes.c_void_p).value
    code._addresses[Function(_entry["path"], Width(**_fields))] = _address or 0
