"""Code can be made for another machine than that of this process, and a lesser one can be chosen for all of it."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from streamrnn import StreamRNNError
from streamrnn.target.cpu import widest_vector
from streamrnn.target.machine import MACHINES, aimed_at, machine, this_machine

WIDEST = {"x86-64-v3": 32, "x86-64-v4": 64, "aarch64": 16, "armv7-neon": 16, "wasm32": 16}


@pytest.mark.parametrize("name", MACHINES)
def test_widths_are_chosen_for_the_machine_that_is_aimed_at(name: str) -> None:
    with aimed_at(MACHINES[name]):
        assert widest_vector() == WIDEST[name]
        with aimed_at(this_machine()):
            assert machine() == this_machine()
        assert machine() == MACHINES[name]
    assert machine() == this_machine()


@pytest.mark.parametrize("name", ["pentium", "wasm32"])
def test_a_machine_whose_code_does_not_run_here_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMRNN_CPU", name)
    this_machine.cache_clear()
    try:
        with pytest.raises(
            StreamRNNError, match=f"STREAMRNN_CPU='{name}' is not a machine whose code runs here; set it to one of"
        ):
            machine()
    finally:
        this_machine.cache_clear()


PROGRAM = """
import hashlib
import numpy as np
from streamrnn import Stream
from streamrnn.target.cpu import widest_vector
from tests.models import model, signal
y = Stream(model("lstm", inputs=3, hidden=37)).process(signal(100, 3))
print(widest_vector(), hashlib.sha256(y.tobytes()).hexdigest())
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the machine that is forced is an x86-64")
def test_a_whole_process_can_be_forced_to_avx2_and_gives_the_same_bits(tmp_path: Path) -> None:
    if widest_vector() < 32:
        pytest.skip("this CPU has no AVX2")

    def answer(**environment: str) -> list[str]:
        variables = os.environ | {"STREAMRNN_CACHE_DIR": str(tmp_path / "store"), "STREAMRNN_DOOR": "plain"} | environment
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=600, check=True).stdout.split()

    forced = answer(STREAMRNN_CPU="x86-64-v3")
    assert forced[0] == "32"
    assert answer()[1] == forced[1]
