"""Training steps in Python, the counterpart of `native`."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from koubai.train.locate import all_finite, failure, locate
from koubai.train.step import Pass, State, Step, place

__all__ = ["InterpretedSteps"]


class InterpretedSteps:
    """Runs steps one by one in Python.

    `begin` gives what stands for the state at the start, `run` takes steps, `take` goes on from another state, `holds`
    says whether the model still is as it was.
    """

    def __init__(self, step: Step) -> None:
        self._step = step

    def begin(self) -> State:
        return self._step.state()

    def take(self, state: State) -> State:
        return state

    def holds(self) -> bool:
        return True

    def run(self, work: Pass, last: int) -> None:
        """Take the steps of a pass up to update number `last` (excluded), committing after each.

        Raises
        ------
        TrainingError
            When a loss or a weight is not finite; the state is that before the step. The error knows the first
            value that is not.
        """
        start = work.done
        with np.errstate(all="ignore"):
            for k in range(start[3], last):
                if not np.isfinite(self._take(work, k)):
                    self._refuse(work, start, k + 1)
            if not all_finite(list(work.done[0].params.values())):
                self._refuse(work, start, last)

    def _take(self, work: Pass, k: int) -> float:
        """Take step number `k`, unless its loss is not finite; returns the sum of losses."""
        state, total, seen, _ = work.done
        try:
            new, loss, count = self._step(state, work.order, work.updates[k], work.outputs)
        except Exception as error:
            place(error, work, work.epoch, k)
            raise
        if np.isfinite(loss):
            work.done = (new, total + loss, seen + count, k + 1)
        return loss

    def _refuse(self, work: Pass, start: tuple[Any, float, int, int], last: int) -> NoReturn:
        """Take the steps once more, up to the first whose loss or new weights are not finite, and refuse that one."""
        work.done = start
        for k in range(start[3], last):
            before = work.done
            total = self._take(work, k)
            if not np.isfinite(total) or not all_finite(list(work.done[0].params.values())):
                break
        work.done = before
        count = sum(stop - start for start, stop in work.updates[k])
        loss = None if np.isfinite(total) else total / count
        raise failure(k, loss, locate(self._step, before[0], work.order, work.updates[k]))
