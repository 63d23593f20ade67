"""GuitarML and Proteus: the JSON of Automated-GuitarAmpModelling, a torch state dict with a description of the network.

The network is its SimpleRNN (CoreAudioML/networks.py of github.com/Alec-Wright/Automated-GuitarAmpModelling; Wright et al.
2019): one recurrent module "rec", a Linear module "lin", and `skip`: how many inputs are added to the output.
"""

from pathlib import Path
from typing import Any

from streamrnn.activation import LINEAR, TANH
from streamrnn.errors import ConversionError
from streamrnn_converters.formats.imported_file import ImportedFile, read_json_file, source_notes
from streamrnn_converters.formats.json_values import check_names, entry, numbers, object_entry, whole_number
from streamrnn_converters.formats.layer_list import LayerList
from streamrnn_converters.torch.build import build
from streamrnn_converters.torch.parts import Part
from streamrnn_converters.torch.tensors import Tensors

_KINDS = {"LSTM": "lstm", "GRU": "gru", "RNN": "rnn"}
_SIZES = ("input_size", "hidden_size", "num_layers", "output_size")


def read_guitarml(path: Path, dtype: str = "float32") -> ImportedFile:
    """The model in a file of GuitarML, Proteus or Automated-GuitarAmpModelling."""

    def convert(description: dict[str, Any], data: bytes) -> ImportedFile:
        network = object_entry("the model", description, "model_data")
        state = object_entry("the model", description, "state_dict")
        if network.get("model") != "SimpleRNN":
            raise ConversionError(
                f"model_data: model {network.get('model')!r:.40} is not read, only 'SimpleRNN'; export it as ONNX"
            )
        check_names("model_data", network, {*_SIZES, "model", "unit_type", "skip", "bias_fl"})
        unit = entry("model_data", network, "unit_type")
        if not isinstance(unit, str) or unit not in _KINDS:
            raise ConversionError(f"model_data: unit_type {unit!r:.40} is none of {', '.join(_KINDS)}")
        sizes = {name: whole_number(f"model_data, {name}", entry("model_data", network, name)) for name in _SIZES}
        skip = whole_number("model_data, skip", entry("model_data", network, "skip"), minimum=0)
        kind = _KINDS[unit]
        parts = [Part(kind, "rec", TANH if kind == "rnn" else None), Part("dense", "lin", LINEAR)]
        tensors = {name: numbers(f"tensor {name!r}", value, *_axes(name)) for name, value in state.items()}
        built = build(parts, Tensors(tensors), dtype, {})
        described = [
            sizes["input_size"],
            *[sizes["hidden_size"]] * sizes["num_layers"],
            sizes["output_size"],
        ]
        found_sizes = [built.input_size, *(layer.output_size for layer in built.layers)]
        if described != found_sizes:
            raise ConversionError(f"model_data tells of layers of {described} values, but the weights are of {found_sizes}")
        found = LayerList(dtype, built.input_size)
        for layer in built.layers:
            found.add(layer)
        remarks = []
        if others := sorted(description.keys() - {"model_data", "state_dict"}):
            remarks.append(f"not used: {', '.join(f'{name!r:.60}' for name in others)}")
        if skip:
            found.add_skip(-1, skip)
            remarks.append("the input is added to the output (skip), as in training")
        else:
            remarks.append(
                "the input is not added to the output (skip 0, as in training); the players of GuitarML always add it"
            )
        return ImportedFile(found.model(source_notes("guitarml", data, remarks)), tuple(remarks))

    return read_json_file(path, convert)


def _axes(name: str) -> list[None]:
    return [None] * (1 if "bias" in name else 2)
