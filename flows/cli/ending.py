"""How a command ends before it is done: on Ctrl-C within two seconds, and when Prefect's server is gone.

What a step has finished is on its medium, and a store bears being killed at any moment. So nothing that
is waited for, be it Prefect, a service or a library that doesn't listen to signals, may keep a command alive.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType

STOPPED = 130
STOPS_WITHIN_S = 1.0
WORDS = "stopped; the same command goes on from the last finished step"

_asked, _ended = threading.Event(), threading.Lock()
_codes = [1]  # an error that nobody has caught


def skip_teardown() -> None:
    """Have this process end when all that is registered for its end has run, without Python's tear-down.

    A thread of Arrow's that lets go of a Python object during the tear-down aborts a process that has done
    all its work (apache/arrow#34314). To be called before others register: the first is the last to run.
    """
    atexit.register(_leave)


def with_code(code: int) -> int:
    """The exit code, which `skip_teardown` ends with."""
    _codes.append(code)
    return code


def open_streams() -> None:
    """Have words lead nowhere where this process was started without a place for them (`>&-`)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  for good


def _leave() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed by the reader, or by the command
            stream.flush()
    os._exit(_codes[-1])


def listen() -> None:
    """Have Ctrl-C raise KeyboardInterrupt, and end this process where that has not ended it in time."""
    if threading.current_thread() is not threading.main_thread():
        return  # a command called by a program, which listens itself
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # told by the interpreter's own handler, which also works while this thread is in a library
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, _interrupt)
    threading.Thread(target=_watch, args=(reading,), name="ctrl-c", daemon=True).start()


def release() -> None:
    """Leave Ctrl-C to a command that ends by it in good order, such as one that serves."""
    if threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupted() -> bool:
    """Whether somebody has pressed Ctrl-C: then any other error is its consequence."""
    return _asked.is_set()


def stopped() -> int:
    """Say that the command was stopped; its exit code."""
    if _ended.acquire(blocking=False):
        print(WORDS, file=sys.stderr, flush=True)
    return STOPPED


def end_now(code: int, words: str) -> None:
    """End this process at once, whatever it is doing; its children notice and end, too."""
    if _ended.acquire(blocking=False):
        with suppress(OSError):
            os.write(2, f"{words}\n".encode(errors="backslashreplace"))
    os._exit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _ask()
    raise KeyboardInterrupt


def _watch(reading: int) -> None:
    while signals := os.read(reading, 16):
        if signal.SIGINT in signals:
            _ask()


def _ask() -> None:
    if not _asked.is_set():
        _asked.set()
        timer = threading.Timer(STOPS_WITHIN_S, end_now, (STOPPED, WORDS))
        timer.daemon = True
        timer.start()
