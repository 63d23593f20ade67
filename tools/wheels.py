"""`make wheels`: a wheel for each platform, with the kernels that were compiled ahead for its CPUs, in dist/.

The libraries of kernels are kept in build/kernels, and made anew when the sources of kernels change, which takes all cores some
minutes for each CPU. A library refers to no C library, so one wheel fits glibc and musl, and to no version of Python.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from streamrnn.code_cache.key import digest_of_sources

ROOT: Final = Path(__file__).resolve().parent.parent

#: Platforms, as the names of wheels have them -> the CPUs whose kernels a wheel carries.
PLATFORMS: Final = {
    "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64": ("x86-64-v3", "x86-64-v4"),
    "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64": ("aarch64",),
}


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    """Run a command of this Python; ends the run where it fails."""
    ended = subprocess.run([sys.executable, "-m", *command], cwd=cwd, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {ended.returncode}")


def kernels_for(cpu: str, folder: Path) -> list[Path]:
    """The library and the manifest of a CPU, compiled where those in the folder are not of these sources."""
    manifest = folder / f"{cpu}.json"
    if not manifest.exists() or json.loads(manifest.read_bytes()).get("sources") != digest_of_sources().hex():
        print("kernels for", cpu, flush=True)
        run("streamrnn", "compile", "-o", folder, "--target", cpu)
    return [folder / f"{cpu}.so", manifest]


def with_kernels(pure: Path, files: list[Path], platform: str, target: Path) -> Path:
    """The wheel of a platform: a pure one, and libraries of kernels in it."""
    with TemporaryDirectory() as temporary:
        place = Path(temporary)
        run("wheel", "unpack", pure, "--dest", place)
        (unpacked,) = place.iterdir()
        folder = unpacked / "streamrnn" / "machine_code"
        folder.mkdir()
        for file in files:
            shutil.copy(file, folder)
        run("wheel", "pack", unpacked, "--dest-dir", place)
        (packed,) = place.glob("*.whl")
        run("wheel", "tags", "--platform-tag", platform, "--remove", packed)
        (made,) = place.glob("*.whl")
        return Path(shutil.copy(made, target))


def main() -> None:
    """Build the pure wheel, and one for each platform."""
    target, folder = ROOT / "dist", ROOT / "build" / "kernels"
    target.mkdir(exist_ok=True)
    with TemporaryDirectory() as temporary:
        run("build", "--wheel", "--outdir", temporary, ROOT)
        (pure,) = Path(temporary).glob("*.whl")
        shutil.copy(pure, target)
        for platform, cpus in PLATFORMS.items():
            files = [file for cpu in cpus for file in kernels_for(cpu, folder)]
            made = with_kernels(pure, files, platform, target)
            print(f"{made.relative_to(ROOT)}: {made.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
