"""`load`: the model in an archive."""

import os
from typing import Any

from numpy.typing import NDArray

from streamrnn import archive
from streamrnn.errors import ArchiveError, ModelError
from streamrnn.layers import KINDS, Layer
from streamrnn.layers.holder import Holder
from streamrnn.layers.layer import from_json
from streamrnn.model.model import Model
from streamrnn.model.stored_tensors import check_stored, take_tensors


def load(path: str | os.PathLike[str]) -> Model:
    """The model in an archive that `Model.save` or `streamrnn import` wrote. Nothing in an archive is executed.

    path  of the file

    Raises ArchiveError, naming the layer and tensor, for a file that is missing, altered, of a later version, or not a model.
    """
    tensors, descriptions, notes = archive.read(path)
    unused = dict(tensors)
    layers: list[Layer] = []
    try:
        for index, description in enumerate(descriptions):
            own = {name: value for name, value in description.items() if name != "reads"}
            layers.append(_layer(f"{path}: layer {index}", own, f"{index}.", unused))
        if unused:
            raise ModelError(f"tensor {next(iter(unused))!r} belongs to no layer")
        sources = [description["reads"] for description in descriptions if "reads" in description]
        return Model(layers, notes, sources or None)
    except ModelError as error:
        raise ArchiveError(f"{path}: layer {len(layers)}: {error}") from error
    except ArchiveError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ArchiveError(f"{path}: layer {len(layers)} cannot be read ({error!r}); import the model again") from error


def _layer(where: str, description: dict[str, Any], prefix: str, tensors: dict[str, NDArray[Any]]) -> Layer:
    """The layer of a description. Its arrays are taken out of `tensors`, where their names are `prefix` and their field."""
    if description["kind"] not in KINDS:
        raise ModelError(
            f"the kind {description['kind']!r} is not defined here; where it is a cell of your own, import the module that "
            "defines it (@streamrnn.cell) before loading"
        )
    kind = KINDS[description["kind"]]
    archive.check_members(where, description, ("kind", "options", "layer" if issubclass(kind, Holder) else "test_vector"))
    if issubclass(kind, Holder):
        held = _layer(f"{where}, its layer", description["layer"], f"{prefix}layer.", tensors)
        return kind(held, **description["options"])  # type: ignore[call-arg]
    if "test_vector" in description:
        kind.check_test_vector(description["test_vector"])
    options = {name: from_json(value) for name, value in description["options"].items()}
    if not options.keys().isdisjoint(kind.tensor_names()):
        raise ModelError(f"{kind.kind} layer: a tensor is among the options")
    arrays = take_tensors(kind, options, prefix, tensors)
    layer = kind(**arrays, **options)
    check_stored(layer, arrays)
    return layer
