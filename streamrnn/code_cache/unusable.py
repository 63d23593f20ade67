"""What is said where compiled code cannot be kept, or cannot be made."""

from streamrnn.code_cache.files import directory
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
    return MissingExtraError(
        f"{_where()}: has no machine code of {function} for this CPU and this version of streamrnn, and Numba, which compiles "
        "it, is not installed; `pip install numba` installs it, or fill the directory with `streamrnn warmup` where it is"
    )


def _where() -> str:
    try:
        return str(directory())
    except OSError:
        return "cache directory"
