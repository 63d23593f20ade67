"""streamrnn: LSTM, GRU and RNN models, one step at a time, compiled by Numba.

model = streamrnn.load("vad.safetensors")   # immutable, shareable
stream = streamrnn.Stream(model)            # compiles here, never in step
y = stream.step(x)                          # (input_size,) float32 -> (output_size,) float32
"""

from importlib import import_module
from importlib.util import find_spec

TYPE_CHECKING = False  # as in typing, whose import takes longer than all of this
if TYPE_CHECKING:
    from typing import Any

    from streamrnn.public import *  # noqa: F403 - it has an __all__
    from streamrnn.public import __all__ as __all__
    from streamrnn.public import __version__ as __version__


#: Public names, and the modules that they come from.
_ALONE = {"Model": "model", "Stream": "stream", "StreamPool": "pool", "load": "model"}


def __getattr__(name: str) -> "Any":
    """A module of the package; or the public names, all at once, when one of them is first used.

    So `import streamrnn` alone takes no time: the command begins with it, before it can handle Ctrl-C. What a program that only
    runs a model needs comes alone, since all the rest takes half of its start.
    """
    if name in _ALONE:
        globals()[name] = getattr(import_module(f"{__name__}.{_ALONE[name]}"), name)
        return globals()[name]
    if find_spec(f"{__name__}.{name}") is not None:
        return import_module(f"{__name__}.{name}")
    public = import_module(f"{__name__}.public")
    globals().update({name: getattr(public, name) for name in ("__all__", *public.__all__)})
    if name not in globals():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
