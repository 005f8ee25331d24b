"""Signals that end a program: what it began is taken back, one line is said, and it ends at once.

The first signal raises :class:`Interrupt` in the main thread, so that ``with`` and ``finally`` do their
work. A library may swallow that, and compiled code may keep the main thread for long: another thread
waits a moment, removes what is still held, and ends the process.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

#: Signals that end a program.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP")

#: Seconds that a program has to end by itself.
PATIENCE = 1.0


class Interrupt(SystemExit):
    """A signal asks the program to end; wherever it is not caught, the exit status is still right."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class _State:
    """What the handlers know: the signal that came, and what must not be left behind."""

    installed = False
    number: int | None = None
    waiting = 0
    said = False
    held: set[Path] = set()  # noqa: RUF012 (there is one state)


_lock = threading.RLock()


def install() -> None:
    """Handle the signals from now on; only a program's own beginning calls this, not a library.

    What is ignored stays ignored: ``nohup`` and shells that start a job in the background ask for that.
    """
    if _State.installed or threading.current_thread() is not threading.main_thread():
        return
    _State.installed = True
    _fill_streams()
    if sys.platform != "win32":
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=_watch, args=(reading,), daemon=True, name="signals").start()
    # Called after all that libraries register: their threads and destructors have no say in how it ends.
    atexit.register(_leave)
    for name in NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)


def _fill_streams() -> None:
    """Open what is closed of the standard streams, to nowhere.

    The next file that is opened would take the number, and receive what libraries print.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def number() -> int | None:
    """Return the signal that came, if one did."""
    return _State.number


def _on_signal(number: int, _frame: FrameType | None) -> None:
    if _State.number is not None:  # the program is ending already
        return
    _State.number = number
    # Threads and destructors that stumble over the end are not worth a traceback.
    sys.unraisablehook = threading.excepthook = _ignore
    if not _State.waiting:
        raise Interrupt(number)


def _ignore(_what: Any) -> None: ...


def _watch(reading: int) -> None:
    """End the process if the main thread has not done so a moment after a signal."""
    numbers = {getattr(signal, name, None) for name in NAMES}
    while (found := os.read(reading, 1)) and found[0] not in numbers:
        pass
    if found:
        time.sleep(PATIENCE)
        end(found[0])


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Let signals wait until the block is left, such as while a file is made or several are renamed."""
    main = threading.current_thread() is threading.main_thread()
    with _lock:
        _State.waiting += main
        try:
            yield
        finally:
            _State.waiting -= main
    if main and not _State.waiting and _State.number is not None:
        raise Interrupt(_State.number)


def finish() -> None:
    """Say that all is done: from now on a signal no longer raises."""
    _State.waiting += 1


def hold(path: Path) -> None:
    """Remove a file or folder if the program is ended by a signal."""
    _State.held.add(path)


def release(path: Path) -> None:
    """Leave a file or folder alone from now on."""
    _State.held.discard(path)


def say(number: int) -> None:
    """Say, once, that the program was interrupted."""
    if _State.said:
        return
    _State.said = True
    which = "" if number == signal.SIGINT else f" ({signal.Signals(number).name})"
    with contextlib.suppress(OSError):
        # A progress bar that could not clear up has hidden the cursor. Python's own stream may be
        # locked by the thread that was cut short.
        os.write(2, b"\r\x1b[K\x1b[?25h" if os.isatty(2) else b"")
        os.write(2, f"interrupted{which}\n".encode())


def clear() -> None:
    """Remove what is held."""
    for path in list(_State.held):
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        _State.held.discard(path)


def end(number: int) -> None:
    """End the process now, with nothing left behind."""
    _lock.acquire(timeout=PATIENCE)  # no thread is renaming files then
    clear()
    say(number)
    os._exit(128 + number)


def _leave() -> None:
    if _State.number is not None:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        end(_State.number)
