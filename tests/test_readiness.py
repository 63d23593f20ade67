"""`compiled`: whether a start compiles, and the functions that it needs: all of them, and no others."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import streamrnn
from streamrnn import Dense, Model, ModelError, Reverse, Stream, StreamPool, StreamRNNError, run_offline
from streamrnn.code_cache import code
from streamrnn.plan import pool_plan_of
from streamrnn.pool.compiled_door import functions_of_pool
from streamrnn.readiness import functions_of
from tests.models import gru

MODEL = Model([Dense(np.ones((2, 3)))])
BACKWARD = Model([gru(np.random.default_rng(0), 2, 4), Reverse(4), Dense(np.ones((1, 4))), Reverse(1)])

# Makes what the first argument names, and prints the functions that were asked for, and those that were said to be needed.
PROGRAM = """
import sys
import numpy as np
from streamrnn import Stream, StreamPool, run_offline
from streamrnn.code_cache import code
from streamrnn.plan import pool_plan_of
from streamrnn.pool.compiled_door import functions_of_pool
from streamrnn.readiness import functions_of
from tests.test_readiness import BACKWARD, MODEL
made = sys.argv[1]
if made == "stream":
    needed, made = functions_of(MODEL), Stream(MODEL)
elif made == "pool":
    needed, made = functions_of_pool(pool_plan_of(MODEL)), StreamPool(MODEL)
elif made == "threads":
    needed, made = functions_of_pool(pool_plan_of(MODEL), 2), StreamPool(MODEL, threads=2)
else:
    needed, made = functions_of(BACKWARD), run_offline(BACKWARD, np.zeros((3, 2)))
print(sorted(map(repr, code._addresses)) == sorted(map(repr, set(needed))), len(set(needed)))
"""


@pytest.mark.parametrize("door", ["", "plain"])
@pytest.mark.parametrize("made", ["stream", "pool", "threads", "recording"])
def test_the_functions_that_are_needed_are_those_that_are_asked_for(made: str, door: str) -> None:
    environment = os.environ | {"STREAMRNN_DOOR": door}
    command = [sys.executable, "-c", PROGRAM, made]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    same, n_needed = ended.stdout.split()
    assert same == "True"
    assert int(n_needed) >= 4


def test_a_model_is_compiled_if_each_of_its_functions_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Stream(MODEL), StreamPool(MODEL, threads=2), run_offline(BACKWARD, np.zeros((3, 2)))
    monkeypatch.setattr(code, "_addresses", {})  # as in a new process
    assert streamrnn.compiled(MODEL)
    assert streamrnn.compiled(MODEL, pool=True, threads=2)
    assert streamrnn.compiled(BACKWARD)
    kept = code.files.read
    for function in [*functions_of(MODEL), *functions_of_pool(pool_plan_of(MODEL), 2)]:
        without = code.key_of(*function)
        monkeypatch.setattr(code.files, "read", lambda key, without=without: None if key == without else kept(key))
        assert streamrnn.compiled(MODEL) == (function not in functions_of(MODEL))
        assert streamrnn.compiled(MODEL, pool=True, threads=2) == (function not in functions_of_pool(pool_plan_of(MODEL), 2))
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "empty"))
    monkeypatch.setattr(code.files, "read", kept)
    assert not streamrnn.compiled(MODEL)
    assert not (tmp_path / "empty").exists()


def test_what_is_no_model_or_cannot_be_streamed_is_refused() -> None:
    with pytest.raises(StreamRNNError, match="compiled: str is not a"):
        streamrnn.compiled("model.safetensors")
    with pytest.raises(ModelError, match="layer 1"):
        streamrnn.compiled(BACKWARD, pool=True)


def test_the_log_says_what_is_compiled_and_nothing_where_nothing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "store"))
    monkeypatch.setattr(code, "_addresses", {})
    caplog.set_level(logging.INFO, "streamrnn")
    lock = functions_of(MODEL)[-2]
    code.load_all([lock])
    first, second = caplog.records
    assert first.getMessage() == f"compiling, which takes some seconds; kernels: 1; they are kept in {tmp_path / 'store'}"
    assert second.getMessage().startswith(f"{lock.path}: ready after ")
    assert (first.compiled, second.compiled) == ((0, 1), (1, 1))
    caplog.clear()
    monkeypatch.setattr(code, "_addresses", {})
    code.load_all([lock])
    assert caplog.records == []
