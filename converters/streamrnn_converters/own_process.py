"""Scripts of this package that run in a process of their own, since what they call may crash."""

import sys
from pathlib import Path

from streamrnn.errors import StreamRNNError


def command_of(script: Path, *arguments: str) -> list[str]:
    """The command that runs a script. Raises StreamRNNError in a frozen application, which would start itself instead."""
    if getattr(sys, "frozen", False):
        raise StreamRNNError(
            f"{script.stem}: an application without a Python of its own cannot run this in another process; import and prove "
            "the model where Python is installed, and ship the archive"
        )
    return [sys.executable, "-P", str(script), *arguments]  # -P: files beside the script must not be found as packages
