"""The machine law across CPUs: code emitted for one that has less gives the same bits."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

# Hides features of the CPU (the arguments behind its new name) from LLVM and Numba, and prints the bytes of the widest vector
# and a hash of what two layers answer.
PROGRAM = """
import sys
from llvmlite import binding
if hidden := sys.argv[2:]:
    features = binding.get_host_cpu_features()
    features.update({name: False for name in features if name.startswith(tuple(hidden))})
    binding.get_host_cpu_features = lambda: features
    binding.get_host_cpu_name = lambda: sys.argv[1]
import hashlib
import numpy as np
from streamrnn import Dense, LSTM, Model, Stream
from streamrnn.target.cpu import widest_vector
rng = np.random.default_rng(0)
model = Model([LSTM(rng.normal(size=(4, 37, 3)), rng.normal(size=(4, 37, 37))), Dense(rng.normal(size=(5, 37)))])
y = Stream(model).process(rng.normal(size=(200, 3)).astype(np.float32))
print(widest_vector(), hashlib.sha256(y.tobytes()).hexdigest())
"""

AVX512 = ("avx512", "avx10", "amx", "evex512")
AVX2 = (*AVX512, "avx2", "avxvnni", "avxifma", "avxneconvert", "gfni", "vaes", "vpclmulqdq", "sha512", "sm3", "sm4")
NO_FMA = (*AVX2, "avx", "fma", "f16c", "xop", "bmi")


def answer(folder: Path, *hidden: str) -> tuple[int, str]:
    environment = os.environ | {"STREAMRNN_CACHE_DIR": str(folder), "STREAMRNN_DOOR": "plain"}
    command = [sys.executable, "-c", PROGRAM, *hidden]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("RuntimeWarning: this CPU has no FMA") == ("fma" in hidden), ended.stderr
    n_bytes, digest = ended.stdout.split()
    return int(n_bytes), digest


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="these are features of x86-64")
def test_code_for_a_lesser_cpu_gives_the_same_bits_and_has_files_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    own_bytes, own = answer(folder)
    if own_bytes < 32:
        pytest.skip("this CPU has no AVX2: there is no lesser one with FMA")
    n_files = len(list(folder.iterdir()))
    lesser = [(32, ("haswell", *AVX512)), (16, ("bdver2", *AVX2)), (16, ("nehalem", *NO_FMA))]
    for times, (n_bytes, cpu) in enumerate(lesser, 2):
        assert answer(folder, *cpu) == (n_bytes, own)
        assert len(list(folder.iterdir())) == times * n_files
