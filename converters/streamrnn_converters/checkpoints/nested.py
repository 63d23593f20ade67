"""Finds the weights in a checkpoint: in an entry ({"state_dict": …, "optimizer": …}), under a common prefix ("module.")."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from streamrnn.errors import ConversionError

_WEIGHT = re.compile(r"(?:.*\.)?weight(?:_.*)?")
_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "network.")
_DEPTH = 4


def find_weights(checkpoint: Any, remarks: list[str]) -> Mapping[str, Any]:
    """The one mapping in a checkpoint that holds weights. Where it is an entry, a remark is added to `remarks`.

    Raises ConversionError where there is none, or more than one.
    """
    if not isinstance(checkpoint, Mapping):
        raise ConversionError(f"holds a {type(checkpoint).__name__} instead of a state dict; save model.state_dict()")
    if _holds_weights(checkpoint):
        return _checked(checkpoint)
    entries = dict(_entries(checkpoint, "checkpoint", _DEPTH))
    if not entries and any(hasattr(value, "shape") for value in checkpoint.values()):
        return _checked(checkpoint)
    if not entries:
        names = ", ".join(map(repr, checkpoint)) or "nothing"
        raise ConversionError(f"holds no weights, only {names}; save model.state_dict()")
    if len(entries) > 1:
        raise ConversionError(
            f"holds weights in {len(entries)} entries ({', '.join(entries)}); save one of them alone: "
            f"torch.save({next(iter(entries))}, 'weights.pt')"
        )
    ((where, weights),) = entries.items()
    others = ", ".join(repr(name) for name in checkpoint if not where.startswith(f"checkpoint[{name!r}]"))
    remarks.append(f"weights taken from {where}" + (f"; not used: {others}" if others else ""))
    return _checked(weights)


def wrapper_prefix(names: Iterable[str]) -> str:
    """The prefix that wrappers put before every name: "module." (DataParallel), "model." (trainers), or several of them."""
    names = list(names)
    prefix = ""
    while wrapper := next((w for w in _WRAPPERS if all(name.startswith(prefix + w) for name in names)), ""):
        prefix += wrapper
    return prefix


def _entries(value: Mapping[Any, Any], where: str, depth: int) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """The nested mappings that hold weights, each after the expression that gives it."""
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            path = f"{where}[{name!r}]"
            if _holds_weights(inner):
                yield path, inner
            elif depth > 1:
                yield from _entries(inner, path, depth - 1)


def _holds_weights(value: Mapping[Any, Any]) -> bool:
    return any(isinstance(name, str) and _WEIGHT.fullmatch(name) and hasattr(item, "shape") for name, item in value.items())


def _checked(weights: Mapping[Any, Any]) -> Mapping[str, Any]:
    for name in weights:
        if not isinstance(name, str):
            raise ConversionError(f"a state dict maps names to tensors, but {name!r} is not a string")
    return weights
