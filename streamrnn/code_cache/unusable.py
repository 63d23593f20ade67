"""What is said where compiled code cannot be kept, or cannot be made."""

from streamrnn.code_cache.files import directory
from streamrnn.code_cache.library import why_unused
from streamrnn.errors import MissingExtraError
from streamrnn.warn import warn_once


def why_not_kept(error: OSError) -> str:
    """Where, why, and the remedy."""
    return (
        f"{_where()}: compiled code cannot be kept ({error.strerror or error}); "
        "set STREAMRNN_CACHE_DIR to a directory that only you can write to"
    )


def warn_not_kept(error: OSError) -> None:
    """Say it once in a process. Every later start compiles again, which takes seconds."""
    warn_once("code cache", f"{why_not_kept(error)}; until then every start compiles anew")


def no_compiler(function: str) -> MissingExtraError:
    """The error where a function must be compiled and Numba is not installed."""
    unused = "".join(f"; {why}" for why in why_unused())
    return MissingExtraError(
        f"{_where()}: has no machine code of {function} for this CPU and this version of streamrnn, nor has the wheel or the "
        f"folder that STREAMRNN_KERNELS names{unused}; and Numba, which compiles it, is not installed: "
        "`pip install 'streamrnn[compile]'` installs it, or run `streamrnn compile MODEL -o DIR` where it is and set "
        "STREAMRNN_KERNELS to DIR"
    )


def _where() -> str:
    try:
        return str(directory())
    except OSError:
        return "cache directory"
