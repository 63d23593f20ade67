"""Guesses the layers of a state dict from names and shapes, where only one answer fits."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from streamrnn.activation import LINEAR, TANH
from streamrnn.errors import ConversionError
from streamrnn_converters.torch.parts import Part
from streamrnn_converters.torch.recognise import recurrent_kind
from streamrnn_converters.torch.tensors import Tensors

_RECURRENT = re.compile(r"(?:(.*)\.)?weight_hh(_l0)?")
_LINEAR = re.compile(r"(?:(.*)\.)?weight")
_REVERSE = re.compile(r".*_l\d+_reverse")
_MOST = 8  # modules, since all their orders are tried


@dataclass(frozen=True)
class _Module:
    """A module found by its names, and its sizes."""

    part: Part
    input_size: int
    output_size: int


def guess(tensors: Tensors) -> list[Part]:
    """The parts of a state dict, in the only order that fits their sizes.

    Raises ConversionError, with an example of a description, where names and shapes do not decide: several orders or none,
    the function of an RNN, the function between two Linear layers.
    """
    modules = _modules(tensors)
    example = _described(modules)
    if len(modules) > _MOST:
        raise ConversionError(f"{len(modules)} modules are too many to guess their order; describe it, {example}")
    chains = _chains([], modules)
    if not chains:
        sizes = ", ".join(f"{module.part}: {module.input_size} to {module.output_size}" for module in modules)
        raise ConversionError(f"the modules fit together in no order ({sizes}); describe the model, {example}")
    if len(chains) > 1:
        both = " or ".join(_described(chain) for chain in chains)
        raise ConversionError(f"the modules fit in more than one order; describe the right one, {both}")
    (chain,) = chains
    parts = _parts(chain)
    for before, after in pairwise(parts):
        if before.kind == after.kind == "dense":
            raise ConversionError(
                f"a checkpoint does not name the function between {before} and {after}; describe it, "
                f"{_described(chain, {before: 'relu'})} for relu"
            )
    for part in parts:
        if part.kind == "rnn":
            raise ConversionError(
                f"a checkpoint does not name the function of {part}; describe it, {_described(chain)} for tanh, "
                f"{_described(chain, {part: 'relu'})} for relu"
            )
    return parts


def _modules(tensors: Tensors) -> list[_Module]:
    """The modules in the order of the file."""
    found = []
    for name, shape in tensors.shapes.items():
        if _REVERSE.fullmatch(name):
            raise ConversionError(
                f"tensor {name!r} belongs to a bidirectional module, which cannot be streamed, "
                "the backward pass needs the end of the signal; train it with bidirectional=False"
            )
        if match := _RECURRENT.fullmatch(name):
            found.append(_recurrent(match[1] or "", match[2] or "", tensors))
        elif (match := _LINEAR.fullmatch(name)) and len(shape) == 2:
            prefix = match[1] or ""
            part = Part("dense", prefix, LINEAR)
            if "emb" in prefix.lower() and part.tensor("bias") not in tensors:
                raise ConversionError(
                    f"tensor {name!r} looks like an embedding, which a description cannot contain; leave it out"
                )
            found.append(_Module(part, shape[1], shape[0]))
    if not found:
        names = ", ".join(map(repr, tensors.shapes))
        raise ConversionError(f"no weights of an LSTM, GRU, RNN or Linear, as torch names them, among the tensors ({names})")
    return found


def _recurrent(prefix: str, suffix: str, tensors: Tensors) -> _Module:
    """An LSTM, GRU or RNN of any number of layers, or a Cell."""
    where = Part("", prefix, None)
    hidden_name, input_name = where.tensor("weight_hh" + suffix), where.tensor("weight_ih" + suffix)
    shape = tensors.shapes[hidden_name]
    kind = recurrent_kind(hidden_name, shape, tensors)
    inputs = tensors.shapes.get(input_name, ())
    if not kind or len(shape) != 2 or len(inputs) != 2 or inputs[0] != shape[0]:
        raise ConversionError(
            f"tensors {input_name!r} and {hidden_name!r}: their shapes, {inputs} and {shape}, fit neither LSTM, GRU nor RNN"
        )
    return _Module(Part(kind, prefix, TANH if kind == "rnn" else None), inputs[1], shape[1])


def _chains(chain: list[_Module], left: list[_Module]) -> list[list[_Module]]:
    """The orders of `left` after `chain` that fit the sizes; no more than two of them."""
    if not left:
        return [chain]
    found: list[list[_Module]] = []
    for module in left:
        if len(found) < 2 and (not chain or chain[-1].output_size == module.input_size):
            found += _chains([*chain, module], [other for other in left if other is not module])
    return found[:2]


def _described(modules: Sequence[_Module], functions: Mapping[Part, str] | None = None) -> str:
    """The option that a user would write: --layers "lstm:rnn, dense:head:relu"."""
    entries = [f"{part.entry}:{functions[part]}" if functions and part in functions else part.entry for part in _parts(modules)]
    return f'--layers "{", ".join(entries)}"'


def _parts(modules: Sequence[_Module]) -> list[Part]:
    return [module.part for module in modules]
