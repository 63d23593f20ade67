"""Optional packages that are not installed, and the command that installs them."""

from collections.abc import Iterator
from contextlib import contextmanager

from streamrnn.errors import MissingExtraError


@contextmanager
def naming_the_extra(extra: str) -> Iterator[None]:
    """Turn the ImportError of an optional package into a MissingExtraError that names its install command."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("streamrnn"):
            raise
        raise missing_extra(str(error.name), extra) from error


def missing_extra(package: str, extra: str) -> MissingExtraError:
    """The error that names the command which installs a package."""
    return MissingExtraError(f"{package} is not installed; `pip install 'streamrnn[{extra}]'` installs it")
