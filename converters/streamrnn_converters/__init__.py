"""Imports models of other frameworks and proves them. Nothing heavy is imported before it is used.

model = from_onnx("vad.onnx")          # or from_torch(module_or_state_dict), from_file(path)
print(verify(model, "vad.onnx"))       # against onnxruntime
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamrnn_converters.checkpoints import from_checkpoint
    from streamrnn_converters.formats import from_aidax, from_file, from_guitarml, from_keras, from_nam, from_rtneural
    from streamrnn_converters.onnx import from_onnx
    from streamrnn_converters.proof.verification import verify
    from streamrnn_converters.torch import from_torch

_MODULES = {
    "from_aidax": "formats",
    "from_checkpoint": "checkpoints",
    "from_file": "formats",
    "from_guitarml": "formats",
    "from_keras": "formats",
    "from_nam": "formats",
    "from_onnx": "onnx",
    "from_rtneural": "formats",
    "from_torch": "torch",
    "verify": "proof.verification",
}

__all__ = [
    "from_aidax",
    "from_checkpoint",
    "from_file",
    "from_guitarml",
    "from_keras",
    "from_nam",
    "from_onnx",
    "from_rtneural",
    "from_torch",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
