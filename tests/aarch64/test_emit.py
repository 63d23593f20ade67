"""Machine code for an ARM CPU is emitted on any machine. `.ci/arm` runs it; here it is only looked at."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from tests.aarch64.emit import aim_at
loaded = aim_at("cortex-a72")
from streamrnn import code_cache
from streamrnn.target.cpu import driver_width, n_registers, np, widest_vector
width = driver_width(np.float32)
code_cache.address_of("kernels.concat.concat", width)
print(widest_vector(), n_registers(width._replace(lanes=4)), loaded[0].object[:20].hex())
"""
EM_AARCH64 = 183


def test_kernels_for_a_raspberry_pi_are_objects_of_aarch64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "store"))
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300, check=False)
    assert ran.stderr == ""
    vector_bytes, registers, header = ran.stdout.split()
    assert (vector_bytes, registers) == ("16", "32")
    assert bytes.fromhex(header)[:4] == b"\x7fELF"
    assert int.from_bytes(bytes.fromhex(header)[18:20], "little") == EM_AARCH64
    assert len(list((tmp_path / "store").glob("*.o"))) == 1
