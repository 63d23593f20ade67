"""Where libraries of kernels that were compiled ahead may lie: streamrnn/code_cache/library.py checks and loads them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from streamrnn.target.processor import NEEDED

#: The environment variable that names a folder of libraries.
FOLDER: Final = "STREAMRNN_KERNELS"


def named_folder() -> Path | None:
    """The folder that STREAMRNN_KERNELS names; a leading "~" stands for the home directory."""
    named = os.environ.get(FOLDER)
    return Path(os.path.expanduser(named)) if named else None


def of_the_wheel() -> Path:
    """The folder of the package in which a wheel carries libraries."""
    return Path(__file__).parents[1] / "machine_code"


def manifests() -> Iterator[tuple[str, Path]]:
    """The machines of libraries that are there, each with the path of its manifest, the best of the first folder first."""
    for folder in (named_folder(), of_the_wheel()):
        for name in NEEDED:
            if folder is not None and os.path.isfile(folder / f"{name}.json"):
                yield name, folder / f"{name}.json"
