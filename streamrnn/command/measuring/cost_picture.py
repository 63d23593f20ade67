"""`--plot` of `quantize`: what weights in fewer bytes cost, for each layer and for each output."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.picture_file import new_figure, save

_LARGEST, _RMS = "#1f5fa8", "#8a7f3a"
_HEIGHT = 0.38  # of a bar


def draw(found: Mapping[str, Any], errors: NDArray[np.float64], path: Path, title: str) -> None:
    """Write bars of the largest and the RMS error: of each layer alone and of all, and of each output.

    found   the notes that `quantize` makes
    errors  (n_steps, output_size), of the outputs

    Raises MissingExtraError without matplotlib, StreamRNNError where the file cannot be written.
    """
    rows = [(f"{one['layer']} {one['kind']}\n{one['weights']}, alone", one) for one in found["layers"]]
    rows.append((f"all, {found['weights']}", found))
    figure = new_figure(11, 1.8 + 0.6 * len(rows))
    layers, outputs = figure.subplots(1, 2)
    figure.suptitle(title)
    places = np.arange(len(rows))
    for shift, name, label, colour in ((-1, "largest_error", "largest", _LARGEST), (1, "rms_error", "RMS", _RMS)):
        layers.barh(places + shift * _HEIGHT / 2, [one[name] for _, one in rows], _HEIGHT, color=colour, label=label)
    layers.set_yticks(places, [label for label, _ in rows])
    layers.invert_yaxis()
    layers.set_xlabel("error of an output")
    layers.legend(fontsize="small")
    per_output = np.arange(errors.shape[1])
    outputs.bar(per_output, np.abs(errors).max(axis=0), color=_LARGEST, label="largest")
    outputs.bar(per_output, np.sqrt(np.mean(errors**2, axis=0)), color=_RMS, label="RMS")
    outputs.set_xlabel(f"output; {found['steps']} steps of {found['signal']}")
    outputs.set_ylabel("error")
    save(figure, path)
