"""`streamrnn export`: what it says about the files that it wrote."""

import json
from pathlib import Path

import numpy as np
import pytest

from streamrnn import Dense, Model
from streamrnn.exporting import TARGETS
from streamrnn.target.machine import runs_here
from tests.command.process import Command


@pytest.mark.few(2)
@pytest.mark.parametrize("target", TARGETS)
def test_the_test_is_advised_only_where_the_target_runs(target: str, command: Command, tmp_path: Path) -> None:
    Model([Dense(np.ones((1, 2)))]).save(tmp_path / "m.safetensors")
    ended = command("export", tmp_path / "m.safetensors", "-o", tmp_path / "m", "--name", "vad", "--target", target, "--json")
    assert ended.code == 0
    assert sorted(json.loads(ended.out)["files"]) == ["libvad.a", "vad.h", "vad.o", "vad_test.c"]
    where = "" if runs_here(target) else f", on a machine that runs {target}"
    assert f"written; to test it{where}: cc {tmp_path / 'm' / 'vad_test.c'} " in ended.err
