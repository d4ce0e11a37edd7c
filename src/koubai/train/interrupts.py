"""Ctrl-C while a training runs."""

from __future__ import annotations

import signal
import threading
from typing import Any

__all__ = ["Interrupts"]


class Interrupts:
    """Lets Ctrl-C end a training, and neither be lost nor leave anything half done.

    It raises KeyboardInterrupt, as ever, and is remembered as well, for `check`: Python drops what is raised in a
    destructor. What ends a training within another's callback ends the other too. Outside of the main thread, and
    where the program has a handler of its own, nothing changes.

    Attributes
    ----------
    quiet : bool
        Whether Ctrl-C is remembered only. So at first, until `listen`, and while a model is given its weights.
    asked : bool
        Whether there was one.
    """

    def __init__(self) -> None:
        self.quiet, self.asked = True, False
        self._before: Any = None
        self._around: Interrupts | None = None

    def __enter__(self) -> Interrupts:
        before = signal.getsignal(signal.SIGINT)
        around = getattr(before, "__self__", None)
        nested = isinstance(around, Interrupts)
        main = threading.current_thread() is threading.main_thread()
        if main and (nested or before is signal.default_int_handler):
            self._before, self._around = before, around if nested else None
            signal.signal(signal.SIGINT, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        if self._around and self.asked:
            self._around.asked = True
        if self._before and signal.getsignal(signal.SIGINT) == self._heard:  # and no callback has set another
            signal.signal(signal.SIGINT, self._before)

    def _heard(self, number: int, frame: Any) -> None:
        self.asked = True
        if not self.quiet:
            raise KeyboardInterrupt

    def listen(self) -> None:
        """Let Ctrl-C raise from now on."""
        self.quiet = False
        self.check()

    def check(self) -> None:
        """Raise for one that was remembered."""
        if self.asked:
            raise KeyboardInterrupt
