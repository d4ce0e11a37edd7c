"""The training loop: epochs, chunks of steps, validation, the best weights so far, interruption."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from koubai.data import permutation
from koubai.errors import TrainingError, UsageError
from koubai.nn import Module
from koubai.train.callbacks import Callback, EarlyStopping
from koubai.train.history import History
from koubai.train.metrics import Metric, higher_is_better, one_number, outputs_of, value_on
from koubai.train.step import Batch, Pass, State, Step, run

__all__ = ["Plan", "Training"]

BETWEEN_CALLBACKS = 0.1  # seconds
REMEDY = "lower the learning rate, standardize the inputs, or clip the gradient (clip=1.0)"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training is to do, checked and with nothing left open."""

    epochs: int
    batch_size: int
    accumulate: int
    seed: int
    shuffle: bool
    drop_last: bool
    metrics: dict[str, Metric]
    validation: tuple[Any, Any] | None


@dataclass(frozen=True, slots=True)
class _Best:
    epoch: int
    value: float
    state: State


class Training:
    """A training under way; what callbacks see.

    Attributes
    ----------
    model : Module
    history : History
    epoch, epochs : int
        The present epoch, from 1, and how many there are to be.
    logs : dict
        The numbers of the present epoch.
    steps, steps_done : int
        Updates of the weights in an epoch, and how many of them are done.
    examples_seen : int
        Since the training began.
    improved : bool
        Whether the monitored value of this epoch is the best so far.
    """

    def __init__(self, step: Step, plan: Plan, output_shape: tuple[int, ...], callbacks: list[Callback]) -> None:
        self.model: Module = step.model
        self.history = History()
        self.epoch, self.epochs = 0, plan.epochs
        self.logs: dict[str, float] = {}
        self.steps_done = self.examples_seen = 0
        self.improved = False
        self._step, self._plan, self._loss, self._callbacks = step, plan, step.loss, callbacks
        self._shape = output_shape
        self._stopping = False
        self._best: _Best | None = None
        self._early = next((c for c in callbacks if isinstance(c, EarlyStopping)), None)
        monitor = self._early.monitor if self._early else None
        self.monitor = monitor or ("val_loss" if plan.validation else "loss")
        known = ["loss", *plan.metrics, *(f"val_{m}" for m in ("loss", *plan.metrics) if plan.validation)]
        if self.monitor not in known:
            raise UsageError(f"EarlyStopping: there is no {self.monitor!r} to monitor; there are {', '.join(known)}")
        self._updates = _updates(len(step.x), plan)
        self.steps = len(self._updates)

    def stop(self) -> None:
        """End the training after this epoch."""
        self._stopping = True

    def run(self) -> History:
        """Train. Ctrl-C ends it and keeps the best weights so far."""
        began = perf_counter()
        self._step.model.train()
        self._work = Pass(None, [], None, (self._step.state(), 0.0, 0, 0))
        final: State | None = None
        try:
            self._tell("on_train_begin")
            for epoch in range(1, self.epochs + 1):
                self.epoch = epoch
                self._one_epoch()
                if self._stopping:
                    self.history.stopped_early = self.epoch < self.epochs
                    break
            final = self._last()
        except KeyboardInterrupt:
            self.history.interrupted = True
            final = self._so_far()
        except TrainingError as error:
            final = self._so_far(finite=False)
            raise TrainingError(f"epoch {self.epoch}, {error}; {REMEDY}") from None
        finally:
            self._step.bind(final or self._work.done[0])
            self.history.seconds = perf_counter() - began
            self._tell("on_train_end")
        return self.history

    def _tell(self, event: str) -> None:
        for callback in self._callbacks:
            getattr(callback, event)(self)

    def _one_epoch(self) -> None:
        plan, n = self._plan, len(self._step.x)
        order = permutation(n, plan.seed, self.epoch) if plan.shuffle else np.arange(n)
        outputs = np.zeros((n, *self._shape), self.model.dtype) if plan.metrics else None
        self._work = Pass(order, self._updates, outputs, (self._work.done[0], 0.0, 0, 0))
        self.logs, self.steps_done = {}, 0
        self._tell("on_epoch_begin")
        self._take_steps()
        state, total, seen, _ = self._work.done
        _refuse_not_finite(state)
        self._step.bind(state)
        self.logs = {"loss": total / seen}
        if outputs is not None:
            y, t = outputs[:seen], self._step.t[order[:seen]]
            self.logs |= {name: one_number(name, metric, y, t) for name, metric in plan.metrics.items()}
        self._validate()
        self.history.rows.append(self.logs)
        self._remember()
        self._tell("on_epoch_end")

    def _take_steps(self) -> None:
        """All steps of an epoch; in chunks of about a tenth of a second if a callback wants to hear of them."""
        told = any(type(c).on_chunk_end is not Callback.on_chunk_end for c in self._callbacks)
        size = 1 if told else self.steps
        while self.steps_done < self.steps:
            began = perf_counter()
            last = min(self.steps_done + size, self.steps)
            before = self._work.done[2]
            run(self._step, self._work, last)
            self.steps_done = last
            self.examples_seen += self._work.done[2] - before
            if told:
                self.logs = {"loss": self._work.done[1] / self._work.done[2]}
                self._tell("on_chunk_end")
                pace = BETWEEN_CALLBACKS / max(perf_counter() - began, 1e-9)
                size = max(1, int(size * min(max(pace, 0.5), 2.0)))

    def _validate(self) -> None:
        if self._plan.validation is None:
            return
        x, t = self._plan.validation
        y = outputs_of(self.model, x)
        self.logs["val_loss"] = value_on(self._loss, y, t)
        for name, metric in self._plan.metrics.items():
            self.logs[f"val_{name}"] = one_number(name, metric, y, t)

    def _remember(self) -> None:
        """Keep this epoch's weights if they are the best so far, and tell the learning rate what was reached."""
        value = self.logs[self.monitor]
        mode = (self._early and self._early.mode) or ("max" if higher_is_better(self.monitor) else "min")
        margin = self._early.min_delta if self._early else 0.0
        best, state = self._best, self._work.done[0]
        if best is None:
            self.improved = value == value  # not NaN
        elif mode == "max":
            self.improved = value > best.value + margin
        else:
            self.improved = value < best.value - margin
        if self.improved:
            self._best = _Best(self.epoch, value, state)
            self.history.best_epoch = self.epoch
        optimizer = self._step.optimizer
        if hasattr(optimizer, "observe"):
            state = State(state.params, state.buffers, optimizer.observe(value, state.optimizer))
            self._work.done = (state, *self._work.done[1:])

    def _last(self) -> State:
        """The weights that a training ends with when nothing interrupts it."""
        if self._early and self._early.restore_best and self._best:
            self.history.kept_epoch = self._best.epoch
            return self._best.state
        self.history.kept_epoch = self.history.epochs
        return self._work.done[0]

    def _so_far(self, finite: bool = True) -> State:
        """The best weights so far.

        Those of the best epoch; or the present ones where no epoch is complete, or where they are better by the
        training loss, which is all there is to go by without validation.
        """
        best = self._best
        state, total, seen, _ = self._work.done
        if best is None:
            return state
        under_way = self.epoch > self.history.epochs and seen > 0
        if finite and self.monitor == "loss" and under_way and total / seen < best.value:
            return state
        self.history.kept_epoch = best.epoch
        return best.state


def _updates(n: int, plan: Plan) -> list[list[Batch]]:
    """The batches of an epoch, by the update of the weights to which they belong."""
    size = plan.batch_size
    stop = n - n % size if plan.drop_last else n
    if stop == 0:
        raise UsageError(
            f"fit: drop_last leaves nothing, since there are {n} examples and batch_size is {size}; lower batch_size"
        )
    batches = [(start, min(start + size, stop)) for start in range(0, stop, size)]
    return [batches[k : k + plan.accumulate] for k in range(0, len(batches), plan.accumulate)]


def _refuse_not_finite(state: State) -> None:
    """An update can spoil the weights in the last step, where no loss shows it any more."""
    for name, value in state.params.items():
        if not np.isfinite(value).all():
            raise TrainingError(f"last step: parameter {name} is not finite any more")
