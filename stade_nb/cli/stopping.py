"""Ctrl-C, SIGTERM, a closed terminal: one line, exit status 130, 143 or 129, whatever goes on.

Nothing but the standard library is imported here, so that it can be the first thing that is.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "hung up",
}
GOES_ON = "the same command goes on with what is kept"
# The last signal that has come. Libraries turn what is raised in the middle of them into other
# errors ("Could not import module LlamaConfig"); this says what the reason was.
_came: list[int] = []


class Stopped(BaseException):
    """Raised where a signal finds the program at its work, so that it can put things away.

    It is no KeyboardInterrupt, which libraries answer with lines of their own.
    """


def came() -> int | None:
    """The last signal that has come since `forget`, or None."""
    return _came[-1] if _came else None


def forget() -> None:
    """Begin anew, as a process does that runs the program twice."""
    _came.clear()


def line() -> str:
    """What is said of the signal that has come."""
    return f"{SIGNALS[came()]}; {GOES_ON}"


def status() -> int:
    """The exit status of a program that the signal has ended, as a shell has it."""
    return 128 + came()


@contextmanager
def at_once() -> Iterator[None]:
    """Inside, a signal ends the process: for imports, in which nothing is lost and much breaks."""

    def end(number: int, _: FrameType | None) -> None:
        with suppress(OSError):  # nobody may read it any more
            os.write(2, f"stade_nb: {SIGNALS[number]}\n".encode())
        os._exit(128 + number)

    with _answering(end):
        yield


@contextmanager
def at_work() -> Iterator[None]:
    """Inside, a signal raises `Stopped`; a second one, should the first be swallowed, does too."""

    def stop(number: int, _: FrameType | None) -> None:
        _came.append(number)
        raise Stopped

    with _answering(stop):
        yield


@contextmanager
def _answering(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Signals go to `handler` inside; in another thread than the main one they cannot."""
    before = {}
    try:
        for number in SIGNALS:
            # Whoever started the program with a signal ignored (nohup, a shell's &) means it.
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
    except ValueError:
        pass
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def ignore() -> None:
    """Nothing is left to be stopped: what is done is done, and the process only takes its leave."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
