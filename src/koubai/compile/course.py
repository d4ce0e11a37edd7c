"""Many steps of training in one native call: what is to be run, and what comes of it.

A `Course` is a list of stretches: so many runs of a program, each on the next piece of the order of the examples.
The loop around them is in `drive`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from koubai.compile import drive as at
from koubai.compile.drive import write_drive
from koubai.compile.llvm import host
from koubai.compile.llvm.engine import Code
from koubai.compile.objects import cached_code
from koubai.compile.program import Frame
from koubai.compile.shuffle import scratch_bytes
from koubai.compile.team import team

__all__ = ["Course", "Epochs", "Shuffle", "Stretch"]


@dataclass(slots=True)
class Stretch:
    """So many runs of a program in a row.

    Attributes
    ----------
    frame : Frame
    times : int
    examples : int
        In each run; the loss counts as often.
    moves : sequence of (slot, address, step)
        Buffers that move on: at the n-th run (from 0) the slot points to address + n * step.
    loss : array
        The scalar to which the program writes its loss.
    """

    frame: Frame
    times: int
    examples: int
    moves: Sequence[tuple[int, int, int]]
    loss: Any


@dataclass(slots=True)
class Shuffle:
    """A new order of the rows for every epoch.

    Attributes
    ----------
    order : array of int64
        Overwritten at the beginning of every epoch.
    keys : array of int64, (epochs, 2)
        The key of each epoch's random numbers.
    """

    order: Any
    keys: Any


@dataclass(slots=True)
class Epochs:
    """What whole epochs need, and what comes of them.

    Attributes
    ----------
    state : array of bytes
        What the programs change.
    kept : array of bytes
        Receives a copy of the state at the end of every epoch whose sum of losses is the least so far.
    sums : array
        For each epoch, the sum of the examples' losses.
    best : float
        The least sum so far.
    shuffle : Shuffle or None
        How each epoch's order is drawn at its beginning.
    best_epoch : int
        At the end of which epoch of this course it was reached; -1 if in none.
    done : int
        Completed epochs.
    """

    state: Any
    kept: Any
    sums: Any
    best: float
    shuffle: Shuffle | None = None
    best_epoch: int = -1
    done: int = 0


class Course:
    """Stretches to be run in one native call.

    Parameters
    ----------
    stretches : list of Stretch
    total, seen : float, int
        What has been summed up already, and over how many examples.
    epochs : Epochs, optional
        Run the list once for each; without, once as a part of an epoch.

    Attributes
    ----------
    steps : int
        Completed runs.
    total, seen : float, int
        Of the epoch under way.
    loss : float
        Of the last run.
    """

    def __init__(
        self, stretches: Sequence[Stretch], total: float = 0.0, seen: int = 0, epochs: Epochs | None = None
    ) -> None:
        self._stretches, self._epochs = stretches, epochs
        self._held: list[Any] = []
        self._table = np.zeros((len(stretches), at.FIELDS), np.int64)
        self._words = np.zeros(at.WORDS, np.int64)
        self._reals = self._words.view(np.float64)
        self._words[at.STRETCHES], self._words[at.COUNT] = self._table.ctypes.data, len(stretches)
        self._reals[at.TOTAL], self._words[at.SEEN] = total, seen
        self._words[at.WANTED] = 1
        self._words[at.BEST_EPOCH] = -1
        if epochs is not None:
            self._words[at.SUMS], self._words[at.WANTED] = epochs.sums.ctypes.data, len(epochs.sums)
            self._reals[at.BEST] = epochs.best
            self._words[at.STATE], self._words[at.KEPT] = epochs.state.ctypes.data, epochs.kept.ctypes.data
            self._words[at.BYTES] = epochs.state.nbytes
            if epochs.shuffle is not None:
                order, keys = epochs.shuffle.order, epochs.shuffle.keys
                scratch = np.empty(scratch_bytes(len(order)), np.uint8)
                self._held += [order, keys, scratch]
                addresses = order.ctypes.data, len(order), keys.ctypes.data, scratch.ctypes.data
                self._words[[at.ORDER, at.LENGTH, at.KEYS, at.SCRATCH]] = addresses

    def run(self) -> int:
        """Run it; returns `DONE`, `NOT_FINITE` after the first loss that is not finite, or `CALLBACK_FAILED`."""
        with ExitStack() as stack:
            several = None
            if any(s.frame.program.parallel for s in self._stretches):
                several = stack.enter_context(team())
            if several is not None:
                words = several.launch, several.retire, several.shared, several.threads
                self._words[[at.LAUNCH, at.RETIRE, at.SHARED, at.THREADS]] = words
            entries: dict[Frame, Any] = {}
            for row, s in zip(self._table, self._stretches):
                if s.frame not in entries:
                    s.frame.reserve(several.threads if several else 1)
                    entries[s.frame] = stack.enter_context(s.frame.callback())
                moves = np.array(s.moves, np.int64).reshape(-1, 3)
                self._held.append(moves)
                entry = entries[s.frame]
                row[:] = (
                    s.frame.program.address, s.frame.table_address, s.frame.arena_address,
                    0 if entry is None else entry.value, s.times, s.examples, moves.ctypes.data, len(moves),
                    s.loss.ctypes.data, s.loss.dtype.itemsize == 8, s.frame.program.parallel,
                )  # fmt: skip
            status = int(_native()(self._words.ctypes.data))
        if self._epochs is not None:
            self._epochs.done = int(self._words[at.EPOCHS])
            self._epochs.best = float(self._reals[at.BEST])
            self._epochs.best_epoch = int(self._words[at.BEST_EPOCH])
        return status

    @property
    def steps(self) -> int:
        return int(self._words[at.STEPS])

    @property
    def under_way(self) -> tuple[int, int]:
        """How many epochs are complete, and how many runs of the next one."""
        epochs = int(self._words[at.EPOCHS])
        return epochs, self.steps - epochs * sum(s.times for s in self._stretches)

    @property
    def total(self) -> float:
        return float(self._reals[at.TOTAL])

    @property
    def seen(self) -> int:
        return int(self._words[at.SEEN])

    @property
    def loss(self) -> float:
        return float(self._reals[at.LAST_LOSS])


@cache
def _code() -> Code:
    return cached_code("drive", lambda: write_drive(host().triple).text())


def _native() -> Any:
    return _code().function("drive", ctypes.c_void_p, result=ctypes.c_int64)
