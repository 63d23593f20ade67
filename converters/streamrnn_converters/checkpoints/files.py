"""Reads weights from .safetensors, .npz and files of torch.save. Nothing in a file is ever executed."""

import io
import json
import re
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from streamrnn.errors import ConversionError
from streamrnn_converters.checkpoints.nested import find_weights
from streamrnn_converters.missing import naming_the_extra

TORCH = (".pt", ".pth", ".bin", ".ckpt")
EXTENSIONS = (".safetensors", ".npz", *TORCH)

_GLOBAL = re.compile(r"unsupported global:?(?: GLOBAL)? (\S+)", re.IGNORECASE)
_TORCHSCRIPT = re.compile(r"[^/]+/(code/.*\.py|constants\.pkl)")  # entries that torch.save does not write
_WEIGHTS_ALONE = "if you trust it, save its weights alone: torch.save(model.state_dict(), 'weights.pt')"
_SAFETENSORS = {"F64": np.float64, "F32": np.float32, "F16": np.float16}


class Weights(NamedTuple):
    """The tensors of a file."""

    format: str  # safetensors, npz or torch
    tensors: Mapping[str, Any]  # name -> NumPy array or torch tensor
    dtypes: Mapping[str, str]  # name -> the type in the file: "bfloat16"
    remarks: tuple[str, ...]  # where in a nested checkpoint the tensors were found


def read_weights(data: bytes, extension: str) -> Weights:
    """The named tensors in the bytes of a file.

    A nested checkpoint is searched: one entry only may hold weights, and a remark names it.

    Raises ConversionError for a file that is damaged, of another format, or whose code would have to run; MissingExtraError
    where torch is needed and not installed.
    """
    remarks: list[str] = []
    tensors: Mapping[str, Any]
    dtypes: dict[str, str]
    if extension == ".safetensors":
        name, (tensors, dtypes) = "safetensors", _safetensors(data)
    elif extension == ".npz":
        name, tensors = "npz", _npz(data)
        dtypes = {key: array.dtype.name for key, array in tensors.items()}
    elif extension in TORCH:
        name, tensors = "torch", find_weights(_torch(data), remarks)
        dtypes = {key: str(getattr(value, "dtype", "")).removeprefix("torch.") for key, value in tensors.items()}
    else:
        raise ConversionError(f"extension {extension!r} is none of {', '.join(EXTENSIONS)}")
    if not tensors:
        raise ConversionError("holds no tensors; save the state dict of the trained model")
    return Weights(name, tensors, dtypes, tuple(remarks))


def _safetensors(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    try:
        entries = deserialize(data)  # type: ignore[no-untyped-call]
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ConversionError(f"not a whole safetensors file ({error}); save or copy it again") from None
    if "streamrnn" in header.get("__metadata__", {}):
        raise ConversionError("is an archive of streamrnn already; use it with `streamrnn run` or streamrnn.load")
    tensors: dict[str, NDArray[Any]] = {}
    dtypes: dict[str, str] = {}
    for name, entry in entries:
        kind, raw = entry["dtype"], bytes(entry["data"])
        if kind == "BF16":  # the upper half of a float32
            tensors[name] = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])
            dtypes[name] = "bfloat16"
        elif kind in _SAFETENSORS:
            array = np.frombuffer(raw, np.dtype(_SAFETENSORS[kind]).newbyteorder("<")).reshape(entry["shape"])
            tensors[name], dtypes[name] = array, array.dtype.name
        else:
            raise ConversionError(
                f"tensor {name!r}: {kind} is not understood, only F64, F32, F16 and BF16; save the weights in float32"
            )
    return tensors, dtypes


def _npz(data: bytes) -> dict[str, NDArray[Any]]:
    try:
        with warnings.catch_warnings(), np.load(io.BytesIO(data), allow_pickle=False) as file:
            warnings.simplefilter("ignore")
            return {name: np.asarray(file[name]) for name in file.files}
    except Exception as error:  # NumPy raises many types for wrong bytes
        raise ConversionError(f"not a whole .npz of plain arrays ({_line(error)}); np.savez writes one") from None


def _torch(data: bytes) -> Any:
    """The object in a file of torch.save. Only tensors, numbers, texts and containers are read: others could run code."""
    with naming_the_extra("torch"):
        import torch
    _check_sums(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for wrong bytes
        if "TorchScript" in str(error):
            raise ConversionError(f"is a TorchScript program, which is code; {_WEIGHTS_ALONE}") from None
        if found := _GLOBAL.search(str(error)):
            raise ConversionError(f"needs {found[1]} to be read, which can run any code; {_WEIGHTS_ALONE}") from None
        raise ConversionError(f"not a whole file of torch.save ({_line(error)}); save or copy it again") from None


def _check_sums(data: bytes) -> None:
    """Check the checksums, which torch ignores: a flipped bit would be a wrong weight. (Files older than 1.6 have none.)"""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            if any(_TORCHSCRIPT.fullmatch(name) for name in file.namelist()):
                raise ConversionError(f"is a TorchScript program, which is code; {_WEIGHTS_ALONE}")
            too_large = sum(entry.file_size for entry in file.infolist()) > len(data)
            damaged = None if too_large else file.testzip()
    except ConversionError:
        raise
    except Exception:  # not a zip file: torch gives the better message
        return
    if too_large:
        raise ConversionError("claims to hold more than its own size, which torch.save never writes; save it again")
    if damaged is not None:
        raise ConversionError(f"damaged: the checksum of its entry {damaged!r} is wrong; save or copy it again")


def _line(error: Exception) -> str:
    """The first sentence of another library's error."""
    text = str(error).strip().partition("\n")[0].partition(". ")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
