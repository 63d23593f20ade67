"""Signals take effect only in waits, or at the end of a context, and none is lost."""

import os
import signal
from collections.abc import Iterator

import pytest

from streamrnn.command.signals import Interrupted, signals_deferred
from streamrnn.command.waits import OutputClosed, signals_end_waits

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
Pipe = tuple[int, int]


@pytest.fixture
def pipes() -> Iterator[tuple[Pipe, Pipe]]:
    """Two pipes: one for the input and one for the output, each with its read end first."""
    found = os.pipe(), os.pipe()
    yield found
    for descriptor in found[0] + found[1]:
        try:
            os.close(descriptor)
        except OSError:
            pass  # the test has closed it


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_before_a_wait_ends_it_although_the_wait_is_over_at_once(
    pipes: tuple[Pipe, Pipe], number: signal.Signals
) -> None:
    (source, feed), (_, target) = pipes
    os.write(feed, b"1\n")
    with signals_end_waits(source, target) as waits:
        for wait in waits.wait_for_input, waits.wait_for_output:
            wait()
            signal.raise_signal(number)
            with pytest.raises(Interrupted) as ended:
                wait()
            assert ended.value.signal == number


def test_a_wait_for_input_ends_when_the_reader_of_the_output_goes_away(pipes: tuple[Pipe, Pipe]) -> None:
    (source, _), (reader, target) = pipes
    os.close(reader)
    with signals_end_waits(source, target) as waits, pytest.raises(OutputClosed):
        waits.wait_for_input()


@pytest.mark.parametrize("ended_by", [None, ValueError])
def test_the_handlers_are_those_of_before_when_the_context_ends(
    pipes: tuple[Pipe, Pipe], ended_by: type[Exception] | None
) -> None:
    (source, _), (_, target) = pipes
    before = [signal.getsignal(number) for number in NUMBERS]
    try:
        with signals_end_waits(source, target):
            if ended_by:
                raise ended_by
    except ValueError:
        pass
    assert [signal.getsignal(number) for number in NUMBERS] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_deferred_signal_takes_effect_at_the_end_of_the_context() -> None:
    done = []

    def work() -> None:
        with signals_deferred():
            signal.raise_signal(signal.SIGINT)
            done.append("the work")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the work"]


def test_a_signal_that_is_ignored_stays_ignored(pipes: tuple[Pipe, Pipe]) -> None:
    (source, _), (_, target) = pipes
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_end_waits(source, target) as waits:
            signal.raise_signal(signal.SIGHUP)
            waits.wait_for_output()
        with signals_deferred():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
