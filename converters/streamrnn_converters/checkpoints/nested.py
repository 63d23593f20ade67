"""Where in a checkpoint the weights are: {"state_dict": …, "optimizer": …}, and names that all begin with "module."."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from streamrnn.errors import ConversionError

_WEIGHT = re.compile(r"(?:.*\.)?weight(?:_.*)?")
_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "network.")
_DEPTH = 4


def find_weights(checkpoint: Any, remarks: list[str]) -> Mapping[str, Any]:
    """The one mapping within a checkpoint that holds weights; says in `remarks` which it is, where that is not the whole.

    Raises ConversionError where there is none, or more than one.
    """
    if not isinstance(checkpoint, Mapping):
        raise ConversionError(f"holds a {type(checkpoint).__name__}, no state dict; save model.state_dict()")
    if _holds_weights(checkpoint):
        return _checked(checkpoint)
    places = dict(_places(checkpoint, "checkpoint", _DEPTH))
    if not places and any(hasattr(value, "shape") for value in checkpoint.values()):
        return _checked(checkpoint)
    if not places:
        names = ", ".join(map(repr, checkpoint)) or "nothing"
        raise ConversionError(f"no weights of a state dict in it, only {names}; save model.state_dict()")
    if len(places) > 1:
        raise ConversionError(
            f"holds weights in {len(places)} places ({', '.join(places)}); save the one you mean alone: "
            f"torch.save({next(iter(places))}, 'weights.pt')"
        )
    ((where, weights),) = places.items()
    others = ", ".join(repr(name) for name in checkpoint if not where.startswith(f"checkpoint[{name!r}]"))
    remarks.append(f"weights taken from {where}" + (f"; not used: {others}" if others else ""))
    return _checked(weights)


def wrapper_prefix(names: Iterable[str]) -> str:
    """What wrappers put before every name: "module." of DataParallel, "model." of many a trainer, or several of them."""
    names = list(names)
    prefix = ""
    while wrapper := next((w for w in _WRAPPERS if all(name.startswith(prefix + w) for name in names)), ""):
        prefix += wrapper
    return prefix


def _places(value: Mapping[Any, Any], where: str, depth: int) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Every mapping below that holds weights itself, by the expression that leads to it."""
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            place = f"{where}[{name!r}]"
            if _holds_weights(inner):
                yield place, inner
            elif depth > 1:
                yield from _places(inner, place, depth - 1)


def _holds_weights(value: Mapping[Any, Any]) -> bool:
    return any(isinstance(name, str) and _WEIGHT.fullmatch(name) and hasattr(item, "shape") for name, item in value.items())


def _checked(weights: Mapping[Any, Any]) -> Mapping[str, Any]:
    for name, value in weights.items():
        if not isinstance(name, str):
            raise ConversionError(f"a state dict maps names to tensors, but {name!r} is no name")
        dense = str(getattr(value, "layout", "")) == "torch.strided"
        if dense and value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ConversionError(f"tensor {name!r}: claims more numbers, {tuple(value.shape)}, than the file holds")
    return weights
