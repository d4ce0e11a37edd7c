"""Taking times: every side in its turn, again and again, so that what disturbs one disturbs all."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)
Run = Callable[[], object]

# Threads of the side before spin for a while before they sleep; they must not run into the next turn.
PAUSE = 0.05


@dataclass(frozen=True)
class Options:
    """What the command was asked for.

    Attributes
    ----------
    repeats : int
        Turns of each side.
    seconds : float
        About how long one turn is to take.
    sides : tuple of str
        The names of the sides that are timed.
    works : tuple of str
        The names of the works that `steps` times.
    """

    threads: int
    repeats: int
    seconds: float
    sides: tuple[str, ...]
    works: tuple[str, ...] = ()
    mnist: Path | None = None


def seconds(run: Run) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def rested(run: Run) -> float:
    """As `seconds`, after a pause and with the garbage collected."""
    gc.collect()
    time.sleep(PAUSE)
    return seconds(run)


def in_turn(runs: dict[Name, Callable[[], float]], repeats: int) -> dict[Name, list[float]]:
    """What each of the runs returns, turn by turn."""
    times: dict[Name, list[float]] = {name: [] for name in runs}
    gc.collect()
    gc.freeze()  # so that collecting before every run does not walk through all libraries
    for _ in range(repeats):
        for name, run in runs.items():
            times[name].append(run())
    gc.unfreeze()
    return times


def calls(run: Run, aim: float) -> Callable[[], float]:
    """A turn of so many calls that it takes about `aim` seconds; it returns the seconds of one."""
    run()
    count = max(1, round(aim / max(seconds(run), 1e-7)))

    def several() -> None:
        for _ in range(count):
            run()

    return lambda: rested(several) / count


def ratio(mine: list[float], other: list[float]) -> float:
    """How many times `mine` goes into `other`, of the medians."""
    return statistics.median(other) / statistics.median(mine)
