"""How many threads there are, and the team that they form."""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from koubai.compile.aligned import aligned_bytes
from koubai.compile.llvm import host
from koubai.compile.objects import cached_code
from koubai.compile.team.following import write_team
from koubai.compile.team.sharing import WORDS
from koubai.errors import UsageError

__all__ = ["Team", "get_num_threads", "set_num_threads", "team"]

VARIABLE = "KOUBAI_NUM_THREADS"
MOST = 256  # or the processors, where there are more: threads beyond them only wait


class Team:
    """Threads that wait in native code for programs to be launched.

    Parameters
    ----------
    threads : int
        At least 2, the caller's own included.

    Attributes
    ----------
    launch, retire : int
        Addresses of the functions that lead a run and that end the team's work (see `following`).
    shared : int
        Address of the memory that its threads share.
    lock : RLock
        Held by who uses the team.
    used : bool
        Whether somebody does. Ctrl-C may part this from the lock: who holds one without the other takes it again.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.lock: Any = threading.RLock()
        self.used = False
        self._memory = aligned_bytes(8 * WORDS)
        self.shared = self._memory.ctypes.data
        self._code = cached_code("team", lambda: write_team(host().triple).text())
        self.launch, self.retire = self._code.address("launch"), self._code.address("retire")
        kinds = [ctypes.c_void_p] * 5 + [ctypes.c_int64]
        self._run = self._code.function("run", *kinds, result=ctypes.c_int)
        self._code.function("prepare", ctypes.c_void_p)(self.shared)
        follow = self._code.function("follow", ctypes.c_void_p, ctypes.c_int64)
        self._others = [
            threading.Thread(target=follow, args=(self.shared, n), daemon=True, name=f"koubai-{n}")
            for n in range(1, threads)
        ]
        started: list[threading.Thread] = []
        try:
            for thread in self._others:
                thread.start()
                started.append(thread)
        except BaseException:  # the system gives no more threads; or Ctrl-C
            self._others = started
            self.dismiss()
            raise

    def run(self, program: int, table: int, arena: int, callback: Any) -> None:
        """Run a program in all threads, once; for who holds the lock."""
        self._run(program, table, arena, callback, self.shared, self.threads)

    def take(self) -> bool:
        """Use the team from now on, if nobody does."""
        if self.used or not self.lock.acquire(blocking=False):
            return False
        self.used = True
        return True

    def release(self) -> None:
        """Let others use the team, which is not `used` any more."""
        while self.lock._is_owned():
            self.lock.release()

    def dismiss(self) -> None:
        """Send the threads home and wait for them."""
        with self.lock:
            self._code.function("dismiss", ctypes.c_void_p)(self.shared)
            for thread in self._others:
                thread.join()


class _Pool:
    """The one team of a process, made when it is first needed."""

    def __init__(self) -> None:
        self.threads: int | None = None
        self.team: Team | None = None
        self.lock = threading.Lock()
        self.leaving: set[Team] = set()  # whose threads have not been sent home yet

    def wanted(self) -> int:
        if self.threads is None:
            self.threads = _from_environment() or _available()
        return self.threads

    def change(self, threads: int) -> None:
        with self.lock:
            former, self.threads = self.team, threads
            if former is None or former.threads == threads:
                return
            self.team = None
        self.leaving.add(former)
        # Whoever is using it, perhaps this very thread in a callback, sends it home afterwards.
        if not former.used and former.lock.acquire(blocking=False):
            former.release()
            self.dismiss(former)

    def get(self) -> Team | None:
        threads = self.wanted()
        if threads == 1:
            return None
        with self.lock:
            if self.team is None:
                try:
                    self.team = Team(threads)
                except RuntimeError:
                    self.threads = 1
            return self.team

    def forget(self) -> None:
        """In a forked child: the threads are the parent's."""
        self.team, self.lock = None, threading.Lock()
        self.leaving.clear()

    def dismiss(self, team: Team) -> None:
        team.dismiss()
        self.leaving.discard(team)

    def close(self) -> None:
        for team in [*self.leaving, self.team]:
            if team is not None:
                team.dismiss()
        self.team = None


_pool = _Pool()
atexit.register(_pool.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.forget)


@contextmanager
def team() -> Iterator[Team | None]:
    """The process's team, for the caller alone; None if there is one thread, or if somebody else is using it."""
    found = _pool.get()
    if found is None or not found.take():
        yield None
        return
    try:
        yield found
    finally:
        found.used = False  # not in a function: Ctrl-C would come before its first line
        found.release()
        if found is not _pool.team:
            _pool.dismiss(found)


def set_num_threads(n: int) -> None:
    """Let compiled code use `n` threads, its caller's included. Results do not depend on it.

    Parameters
    ----------
    n : int
        From 1 to 256, or to the number of processors where there are more.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> import koubai as kb
    >>> before = kb.get_num_threads()
    >>> kb.set_num_threads(1)
    >>> kb.get_num_threads()
    1
    >>> kb.set_num_threads(before)
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= _most():
        raise UsageError(f"set_num_threads: expected a whole number from 1 to {_most()}, got {n!r}")
    _pool.change(int(n))


def get_num_threads() -> int:
    """How many threads compiled code uses.

    What `set_num_threads` said; otherwise the environment variable ``KOUBAI_NUM_THREADS``; otherwise as many as
    this process may use processors, by its affinity and its control group's quota.
    """
    return _pool.wanted()


def _from_environment() -> int | None:
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= _most():
        raise UsageError(f"{VARIABLE}: expected a whole number from 1 to {_most()}, got {text!r}")
    return int(text)


def _most() -> int:
    return max(MOST, os.cpu_count() or 1)


def _available() -> int:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return max(1, count if quota is None else min(count, int(quota)))


def _quota() -> float | None:
    """Processors that the control group allows (version 2 or 1); None for no limit."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        root = Path("/sys/fs/cgroup/cpu")
        limit, period = ((root / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return None if int(limit) <= 0 else int(limit) / int(period)
    except (OSError, ValueError):
        return None
