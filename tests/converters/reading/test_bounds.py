"""A file that wants to do harm is refused by one error, in little time and within four times its size and 64 MiB.

All files of a kind go through one process. It measures the CPU's time for each, and the most memory that it took.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.converters.reading.hostile_files import FILES, large, of_keras_h5

#: A turn of a plain loop takes some 50 ns: two seconds, and one for each 50 MB.
TURNS, TURNS_OF_A_BYTE, MEBIBYTES = 40_000_000, 0.4, 64

#: What importing a good model takes is not counted: libraries are loaded with the first.
PROBE = """
import json, sys, time
from streamrnn_converters import from_file

def now(what):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(what))

def turn(turns=1_000_000):
    clock = time.process_time()
    sum(i * i for i in range(turns))
    return (time.process_time() - clock) / turns

def probe(path):
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the most memory begins anew
    memory, clock, error, message = now("VmRSS"), time.process_time(), "", ""
    try:
        from_file(path)
    except BaseException as caught:
        error, message = type(caught).__name__, str(caught)
    seconds = time.process_time() - clock
    return {"error": error, "message": message, "turns": seconds / turn(), "bytes": now("VmHWM") - memory}

for path in sys.argv[1:]:
    print(json.dumps(probe(path)), flush=True)
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells the most memory that a process has taken since"
)


def probed(paths: list[Path]) -> list[dict[str, Any]]:
    """What becomes of each file, and what it costs; the first one is not counted."""
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, *map(str, paths)], capture_output=True, text=True, timeout=600, check=False
    )
    assert ended.returncode == 0, ended.stderr
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    for path, one in list(zip(paths, found, strict=True))[1:]:
        size = path.stat().st_size
        assert one["bytes"] < 4 * size + (MEBIBYTES << 20), (path, one)
        assert one["turns"] < TURNS + TURNS_OF_A_BYTE * size, (path, one)
    return found


@pytest.mark.parametrize("extension", FILES)
def test_it_is_refused_by_one_error_in_little_time_and_memory(extension: str, tmp_path: Path) -> None:
    paths = []
    for name, (build, _) in FILES[extension].items():
        paths.append(tmp_path / f"{name.replace(' ', '-')}{extension}")
        paths[-1].write_bytes(build())
    for path, found, (_, message) in zip(paths, probed([paths[0], *paths])[1:], FILES[extension].values(), strict=True):
        if message:
            assert found["error"] == "ConversionError", (path, found)
            assert re.search(message, found["message"]), (path, found)
        assert found["error"] in ("", "ConversionError"), (path, found)
        assert len(found["message"]) < 1000 + len(str(path)), path


def test_good_files_that_are_only_large_take_little_too(tmp_path: Path) -> None:
    paths = [tmp_path / f"large{extension}" for extension in (".npz", ".safetensors", ".pt")]
    for path in paths:
        path.write_bytes(large(path.suffix))
    assert [found["error"] for found in probed([paths[0], *paths])] == [""] * 4


def test_a_large_hdf5_file_takes_little_too(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="reading Keras files needs the extra 'keras'")
    (tmp_path / "small.h5").write_bytes(of_keras_h5(10))
    (tmp_path / "large.h5").write_bytes(of_keras_h5(3500))
    assert [found["error"] for found in probed([tmp_path / "small.h5", tmp_path / "large.h5"])] == ["", ""]
