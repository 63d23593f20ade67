"""Progress bars: in a terminal only."""

import io
import sys

import pytest

from streamrnn.command.progress_bar import progress_bar


class Terminal(io.StringIO):
    """A file that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def work(stderr: io.StringIO | None, monkeypatch: pytest.MonkeyPatch, **options: bool) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    with progress_bar("counting", **options) as advance:
        for done in range(4):
            advance(done, 3)


@pytest.mark.parametrize("threaded", [True, False])
def test_a_terminal_shows_the_description_and_if_asked_the_count(threaded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, counted = Terminal(), Terminal()
    work(plain, monkeypatch, threaded=threaded)
    work(counted, monkeypatch, threaded=threaded, show_count=True)
    assert "counting" in plain.getvalue()
    assert "3/3" in counted.getvalue()
    assert "3/3" not in plain.getvalue()


def test_elsewhere_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    work(file, monkeypatch)
    assert file.getvalue() == ""


def test_a_closed_standard_error_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    work(None, monkeypatch)
