"""Weights are found in a nested checkpoint and under a prefix of all names, and a remark says where."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import ConversionError
from streamrnn_converters import from_torch
from streamrnn_converters.checkpoints import read_checkpoint
from tests.converters.checkpoints.state_dicts import LAYERS, NETWORK, linear, written


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "module.model."])
def test_a_prefix_of_all_names_is_left_out_and_said(prefix: str, tmp_path: Path) -> None:
    state = {prefix + name: value for name, value in NETWORK.items()}
    path = written(tmp_path / "net.npz", state)
    for layers in (LAYERS, None):
        found = read_checkpoint(path, layers)
        assert found.model.fingerprint == from_torch(NETWORK, LAYERS).fingerprint
        assert f"all names begin with {prefix!r}, which is left out" in found.remarks
    whole = read_checkpoint(path, f"lstm:{prefix}rnn, dense:{prefix}head")
    assert (whole.model.fingerprint, whole.remarks) == (found.model.fingerprint, ())


@pytest.mark.parametrize("keys", [["state_dict"], ["model"], ["ema", "shadow"], ["a", "b", "c", "d"]])
def test_a_nested_checkpoint_is_looked_into_where_one_place_holds_weights(keys: list[str], tmp_path: Path) -> None:
    checkpoint: Any = NETWORK
    for key in reversed(keys):
        checkpoint = {key: checkpoint, "epoch": 3, "optimizer": {"state": {0: {"exp_avg": np.ones(3)}}, "param_groups": []}}
    found = read_checkpoint(written(tmp_path / "net.pt", checkpoint))
    assert found.model.fingerprint == from_torch(NETWORK, LAYERS).fingerprint
    where = "checkpoint" + "".join(f"[{key!r}]" for key in keys)
    assert f"weights taken from {where}; not used: 'epoch', 'optimizer'" in found.remarks


NESTED: dict[str, tuple[Any, list[str]]] = {
    "two entries": ({"model": NETWORK, "ema": NETWORK}, ["2 entries", "checkpoint['model']", "checkpoint['ema']"]),
    "no entry": ({"epoch": 3, "optimizer": {}}, ["'epoch', 'optimizer'", "state_dict()"]),
    "a list": ([1, 2], ["list", "state_dict()"]),
    "a number": (3, ["int"]),
    "nothing": ({}, ["nothing"]),
    "a name that is none": ({"weight": np.ones((2, 2)), 3: np.ones(2)}, ["3"]),
    "something that is no tensor": (linear(2, 2) | {"epoch": 3}, ["'epoch'"]),
}


@pytest.mark.parametrize("what", NESTED)
def test_a_checkpoint_of_several_or_no_weights_is_refused(what: str, tmp_path: Path) -> None:
    checkpoint, words = NESTED[what]
    path = written(tmp_path / "net.pt", checkpoint)
    with pytest.raises(ConversionError) as refused:
        read_checkpoint(path)
    assert all(word in str(refused.value) for word in [str(path), *words]), refused.value
