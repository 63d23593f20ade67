"""AIDA-X: RTNeural's Keras form, with gains, a skip from input to output, and a test vector of its own.

What they mean is what the player computes: rt-neural-generic.cpp of github.com/AidaDSP/aidadsp-lv2, applyModel and testModel.
With g_i and g_o the gains in_gain and out_gain, in dB, and x the sound: y = g_o (f(g_i x) + g_i x), the second term with
in_skip 1 only. Further inputs are settings of knobs, which no gain multiplies.
"""

from pathlib import Path
from typing import Any

import numpy as np

from streamrnn.errors import ConversionError
from streamrnn_converters.formats.imported_file import ImportedFile, read_json_file, source_notes
from streamrnn_converters.formats.json_values import numbers, real_number, whole_number
from streamrnn_converters.formats.layer_list import LayerList
from streamrnn_converters.formats.rtneural import add_layers, input_size
from streamrnn_converters.formats.vectors import as_recording

#: What the player or the trainer writes about a model, and nothing is computed from.
_ABOUT = {"metadata", "samplerate", "esr", "author", "name"}
_COMPUTED = {"in_shape", "layers", "in_skip", "in_gain", "out_gain", "input_batch", "output_batch"}


def read_aidax(path: Path, dtype: str = "float32") -> ImportedFile:
    """The model in a file of AIDA-X, and its test vector, which the player checks too."""

    def convert(description: dict[str, Any], data: bytes) -> ImportedFile:
        remarks: list[str] = []
        if unknown := sorted(description.keys() - _ABOUT - _COMPUTED):
            remarks.append(f"not used: {', '.join(map(repr, unknown))}")
        size = input_size(description)
        skip = whole_number("in_skip", description.get("in_skip", 0), minimum=0)
        if skip > 1:
            raise ConversionError(f"in_skip {skip} is none that AIDA-X plays; it is 0 or 1")
        in_gain, out_gain = (_factor(description, name) for name in ("in_gain", "out_gain"))
        found = LayerList(dtype, size)
        if in_gain != 1:
            found.add_gain([in_gain] + [1.0] * (size - 1))
            remarks.append(f"in_gain: the input is multiplied by {in_gain:g}")
        sound = found.last
        add_layers(found, description, remarks)
        if skip:
            found.add_skip(sound, 1)
            remarks.append("the input is added to the output (in_skip)")
        if out_gain != 1:
            found.add_gain([out_gain] * found.size(found.last))
            remarks.append(f"out_gain: the output is multiplied by {out_gain:g}")
        vector = None
        model = found.model(source_notes("aidax", data, remarks, **_sample_rate(description)))
        if "input_batch" in description or "output_batch" in description:
            x = numbers("input_batch", description.get("input_batch"), None)
            y = numbers("output_batch", description.get("output_batch"), None)
            # The vector is made without gains and with all knobs at 0, so it is moved to where the gains are.
            knobs = np.zeros((len(x), size - 1))
            proven = [
                f"the test vector was made without gains; here it is divided by {in_gain:g}, and multiplied by {out_gain:g}"
            ]
            with_gains = proven if (in_gain, out_gain) != (1, 1) else []
            vector = as_recording(model, np.column_stack([x / in_gain, knobs]), y[:, None] * out_gain, data, with_gains)
        return ImportedFile(model, tuple(remarks), vector)

    return read_json_file(path, convert)


def _factor(description: dict[str, Any], name: str) -> float:
    """A gain in dB as a factor; 0 dB where there is none. -90 dB and less are silence (DB_CO of the player)."""
    decibels = description.get(name)
    if decibels is None:
        return 1.0
    decibels = real_number(name, decibels)
    if not -90 < decibels < 90:
        raise ConversionError(f"{name} {decibels:g} dB is beyond ±90 dB, so the model would be silent or overflow; correct it")
    return float(10 ** (decibels / 20))


def _sample_rate(description: dict[str, Any]) -> dict[str, Any]:
    """The sample rate, Hz, for the notes, where the file tells it."""
    metadata = description.get("metadata")
    rates = [metadata.get("samplerate") if isinstance(metadata, dict) else None, description.get("samplerate")]
    known = [rate for rate in rates if isinstance(rate, int | float) and 0 < rate < 1e9]
    return {"sample_rate": known[0]} if known else {}
