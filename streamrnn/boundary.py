"""The boundary to a caller's objects: whatever they raise becomes an error of streamrnn."""

from types import TracebackType

from streamrnn.errors import StreamRNNError


class refusing:  # noqa: N801, since it is used like a function
    """A context that asks a caller's object for something. What the object raises becomes an error, with the reason at its end.

    Errors of streamrnn pass, and so does what is no Exception, such as Ctrl-C.

    kind     the class of the error
    message  its first words: where, and what is refused
    remedy   its last words; "" if there are none
    """

    def __init__(self, kind: type[StreamRNNError], message: str, remedy: str = "") -> None:
        self._kind, self._message, self._remedy = kind, message, remedy

    def __enter__(self) -> None:
        """Nothing is to be done."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, StreamRNNError):
            remedy = f"; {self._remedy}" if self._remedy else ""
            raise self._kind(f"{self._message} ({_reason(error)}){remedy}") from error


def _reason(error: Exception) -> str:
    """The first line of what an exception says, or its class."""
    try:
        return str(error).strip().partition("\n")[0] or type(error).__name__
    except Exception:
        return type(error).__name__
