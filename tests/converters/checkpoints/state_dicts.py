"""State dicts as torch names them, and files of them in every format."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

State = dict[str, Any]


LAYERS = "lstm:rnn, dense:head"


def recurrent(kind: str, inputs: int, hidden: int, prefix: str = "", suffix: str = "_l0", seed: int = 0) -> State:
    rows = {"lstm": 4, "gru": 3, "rnn": 1}[kind] * hidden
    shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden), "bias_ih": (rows,), "bias_hh": (rows,)}
    rng = np.random.default_rng(seed)
    return {f"{prefix}{name}{suffix}": rng.normal(size=shape).astype(np.float32) / 2 for name, shape in shapes.items()}


def linear(inputs: int, outputs: int, prefix: str = "") -> State:
    rng = np.random.default_rng(1)
    shapes = {"weight": (outputs, inputs), "bias": (outputs,)}
    return {f"{prefix}{name}": rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


NETWORK = linear(4, 2, "head.") | recurrent("lstm", 3, 4, "rnn.")


def written(path: Path, state: Any) -> Path:
    """In the format of the path's extension; .pt takes any checkpoint."""
    if path.suffix == ".npz":
        np.savez(path, **state)
    elif path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch = pytest.importorskip("torch", reason="writes the checkpoint, and reads it")
        torch.save(with_tensors(state), path)
    return path


def with_tensors(value: Any) -> Any:
    torch = pytest.importorskip("torch", reason="makes tensors")
    if isinstance(value, dict):
        return {name: with_tensors(item) for name, item in value.items()}
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value
