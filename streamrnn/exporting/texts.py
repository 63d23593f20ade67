"""The C files that go with an object file: the header, and a program that tests the object against Python's own bits."""

from collections.abc import Iterable
from importlib.resources import files
from string import Template
from typing import NamedTuple

import numpy as np

from streamrnn.exporting.image import Image
from streamrnn.model import Model
from streamrnn.stream import Stream
from streamrnn.target.layout import CACHE_LINE
from streamrnn.target.packing import Array
from streamrnn.version import __version__

_TEST_STEPS = 50
_VALUES_PER_LINE = 8


class Names(NamedTuple):
    """What an export is called.

    name     what the functions and files begin with: a C identifier
    target   the machine, by its name in streamrnn/target/machine.py
    """

    name: str
    target: str


_PROMISES = {
    "armv7-neon": """
 * NEON takes subnormal numbers for 0. The bits are those of Python as long as no input, weight or result is one.""",
    "wasm32": """
 * WebAssembly has no fused multiply-add: results differ from Python's by rounding, about 1e-7 of their size a step.""",
}
_SAME_BITS = """
 * The same input gives the same bits as in Python."""

#: How far a result may be off, for targets that do not give the same bits.
_TOLERANCES = {"wasm32": "1e-5"}


def header(model: Model, image: Image, names: Names) -> str:
    """The text of NAME.h."""
    values = _common(model, names) | {
        "version": __version__,
        "promise": _PROMISES.get(names.target, _SAME_BITS),
        "layers": " -> ".join(layer.kind for layer in model.layers),
        "fingerprint": model.fingerprint,
        "stream_bytes": image.stream_bytes,
        "snapshot_bytes": image.snapshot_bytes,
        "align": CACHE_LINE,
    }
    return _filled("model.h", values)


def test_program(model: Model, names: Names) -> str:
    """The text of NAME_test.c: noise from a fixed seed, and what a `Stream` answers to it here."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((_TEST_STEPS, *model.step_shape)).astype(model.dtype)
    if any(layer.kind == "embedding" for layer in model.layers):
        x = np.zeros_like(x)
    stream = Stream(model)
    y = stream.process(x.reshape(-1, model.input_size))
    tolerance = _TOLERANCES.get(names.target, "0")
    values = _common(model, names) | {
        "bits": "uint32_t" if model.dtype == np.float32 else "uint64_t",
        "n_steps": _TEST_STEPS,
        "x": _bits(x),
        "y": _bits(y),
        "snapshot": _lines(f"0x{byte:02x}" for byte in stream.snapshot()),
        "tolerance": tolerance,
        "equal": "the same bits" if tolerance == "0" else f"errors within {tolerance}",
    }
    return _filled("test.c", values)


def _common(model: Model, names: Names) -> dict[str, object]:
    return {
        "name": names.name,
        "NAME": names.name.upper(),
        "target": names.target,
        "real": "float" if model.dtype == np.float32 else "double",
        "n_inputs": model.input_size,
        "n_outputs": model.output_size,
        "stride": model.stride,
    }


def _filled(template: str, values: dict[str, object]) -> str:
    text = (files("streamrnn.exporting") / template).read_text("utf-8")
    return Template(text).substitute({name: str(value) for name, value in values.items()})


def _bits(values: Array) -> str:
    """The bits of numbers as C's integers."""
    kind = f"u{values.itemsize}"
    suffix = "u" if values.itemsize == 4 else "ull"
    return _lines(f"0x{int(word):0{2 * values.itemsize}x}{suffix}" for word in values.ravel().view(kind))


def _lines(items: Iterable[str]) -> str:
    listed = list(items)
    rows = (listed[begin : begin + _VALUES_PER_LINE] for begin in range(0, len(listed), _VALUES_PER_LINE))
    return ",\n    ".join(", ".join(row) for row in rows)
