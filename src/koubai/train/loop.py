"""The training loop: epochs, chunks of steps, validation, the best weights so far, interruption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any
from warnings import warn

import numpy as np

from koubai.data.batches import order_key, permutation
from koubai.errors import TrainingError, UsageError
from koubai.nn import Module
from koubai.train.adopt import Held
from koubai.train.callbacks import Callback, EarlyStopping
from koubai.train.history import History
from koubai.train.interpreted import InterpretedSteps
from koubai.train.interrupts import Interrupts
from koubai.train.locate import refusal
from koubai.train.metrics import Metric, higher_is_better, one_number, value_on
from koubai.train.native import Failed, NativeSteps
from koubai.train.predict import Predictor
from koubai.train.step import Pass, State, Step, updates_of

__all__ = ["Plan", "Training"]

BETWEEN_CALLBACKS = 0.05  # seconds, so that Ctrl-C is answered at once too
COMPILING = 0.1  # seconds; compiling takes 0.2 to 0.3 once, and some hundredths when the cache has it


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
    compile: bool | str


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
        self._steps_a_call = self._epochs_a_call = 1
        self._best: _Best | None = None
        self._early = next((c for c in callbacks if isinstance(c, EarlyStopping)), None)
        monitor = self._early.monitor if self._early else None
        self.monitor = monitor or ("val_loss" if plan.validation else "loss")
        known = ["loss", *plan.metrics, *(f"val_{m}" for m in ("loss", *plan.metrics) if plan.validation)]
        if self.monitor not in known:
            raise UsageError(f"EarlyStopping: there is no {self.monitor!r} to monitor; there are {', '.join(known)}")
        rows = len(plan.validation[0]) * plan.epochs if plan.validation else 0
        self._predictor = Predictor(step.model, rows if plan.compile else 0)
        self._updates = updates_of(len(step.x), plan.batch_size, plan.accumulate, plan.drop_last)
        self.steps = len(self._updates)

    def stop(self) -> None:
        """End the training after this epoch."""
        self._stopping = True

    def run(self) -> History:
        """Train. Ctrl-C ends it and keeps the best weights so far."""
        began = perf_counter()
        self._step.model.train()
        self._work = Pass(None, [], None, (self._step.state(), 0.0, 0, 0))
        try:
            with Interrupts() as self._interrupts:
                self._to_the_end()
        finally:
            self.history.seconds = perf_counter() - began
            self._tell("on_train_end")
        return self.history

    def _to_the_end(self) -> None:
        """Train, and give the model what it is to have, however it ends."""
        final: Any = None
        try:
            self._interrupts.listen()
            self._epochs()
            final = self._last()
        except KeyboardInterrupt:
            self._interrupts.quiet = self.history.interrupted = True
            final = self._so_far()
        except TrainingError as error:
            final = self._so_far(finite=False)
            raise refusal(error, self.epoch) from None
        finally:
            self._interrupts.quiet = True  # a model with some of its parameters from another step is of no use
            self._step.bind((final or self._work.done[0]).kept())
            self.history.interrupted |= self._interrupts.asked

    def _epochs(self) -> None:
        self._steps = self._runner()
        self._work.done = (self._steps.begin(), 0.0, 0, 0)
        self._tell("on_train_begin")
        while self.epoch < self.epochs and not self._stopping:
            if self._nobody_asks():
                self._many_epochs()
            else:
                self.epoch += 1
                self._one_epoch()
            self._interrupts.check()
        self.history.stopped_early = self.epoch < self.epochs

    def _tell(self, event: str) -> None:
        """Let the callbacks do what they want, and go on from the weights that they leave."""
        held = Held(self._step)
        for callback in self._callbacks:
            getattr(callback, event)(self)
        state = None if event == "on_train_end" else held.adopted(lambda: self._work.done[0].kept())
        if state is None:
            return
        self._work.done = (state, *self._work.done[1:])
        if self._best:  # when the best epoch ended, what is trained from now on was what it is now
            best = self._best.state
            best = State(state.params | best.params, best.buffers, best.optimizer)
            self._best = replace(self._best, state=best)

    def _prepare(self) -> None:
        """Let steps run from the present state, for the model as it is now."""
        state = self._work.done[0]
        if not self._steps.holds():
            state = state.kept()
            self._steps = self._runner(state)
        if isinstance(state, State):
            self._work.done = (self._steps.take(state), *self._work.done[1:])

    def _runner(self, start: State | None = None) -> Any:
        """Native steps where that is wanted and worth it; otherwise interpreted ones."""
        plan = self._plan
        if plan.compile == "always" or (plan.compile and _worth_compiling(self._step, plan, self._updates)):
            try:
                return NativeSteps(self._step, self._updates, bool(plan.metrics), start)
            except Exception as error:  # whatever it is: the interpreter gives the same numbers, or the better message
                warn(
                    f"fit: the steps are interpreted (compile=False asks for that), since they could not be compiled: "
                    f"{error}",
                    stacklevel=6,
                )
        return InterpretedSteps(self._step)

    @property
    def _shuffled(self) -> bool:
        """A single batch holds all rows in any order."""
        return self._plan.shuffle and self._updates != [[(0, len(self._step.x))]]

    def _nobody_asks(self) -> bool:
        """Whether nothing happens in Python at the end of an epoch, or in it."""
        plan, events = self._plan, ("on_epoch_begin", "on_chunk_end", "on_epoch_end")
        heard = any(getattr(type(c), e) is not getattr(Callback, e) for c in self._callbacks for e in events)
        follows = hasattr(self._step.optimizer, "options") and hasattr(self._step.optimizer.options["lr"], "observe")
        return isinstance(self._steps, NativeSteps) and not (heard or follows or plan.metrics or plan.validation)

    def _many_epochs(self) -> None:
        """Whole epochs in one native call, as many as fit between two looks at the clock."""
        self._prepare()
        count = min(self._epochs_a_call, self.epochs - self.epoch)
        seen = self._updates[-1][-1][1]
        keys = None
        if self._shuffled:
            numbers = range(self.epoch + 1, self.epoch + count + 1)
            keys = np.array([order_key(self._plan.seed, epoch) for epoch in numbers], np.int64)
        best = np.inf if self._best is None else self._best.value * seen
        began = perf_counter()
        try:
            order = np.arange(len(self._step.x))
            epochs = self._steps.run_epochs(self._updates, order, keys, count, best, self.epoch + 1)
        except Failed as failed:
            self._note(failed.epochs, seen)
            self.epoch += 1
            raise
        self._note(epochs, seen)
        self._work.done = (self._work.done[0], 0.0, 0, 0)
        pace = BETWEEN_CALLBACKS / max(perf_counter() - began, 1e-9)
        self._epochs_a_call = max(1, int(count * min(max(pace, 0.5), 8.0)))

    def _note(self, epochs: Any, seen: int) -> None:
        self.history.rows += [{"loss": total / seen} for total in epochs.sums[: epochs.done].tolist()]
        if epochs.best_epoch >= 0:
            self._best = _Best(self.epoch + 1 + epochs.best_epoch, epochs.best / seen, self._steps.best)
            self.history.best_epoch = self._best.epoch
        self.epoch += epochs.done
        self.examples_seen += epochs.done * seen

    def _one_epoch(self) -> None:
        plan, n = self._plan, len(self._step.x)
        order = permutation(n, plan.seed, self.epoch) if self._shuffled else np.arange(n)
        outputs = np.zeros((n, *self._shape), self.model.dtype) if plan.metrics else None
        self._work = Pass(order, self._updates, outputs, (self._work.done[0], 0.0, 0, 0), self.epoch)
        self.logs, self.steps_done = {}, 0
        self._tell("on_epoch_begin")
        self._take_steps()
        state, total, seen, _ = self._work.done
        state = state.kept()
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
        """All steps of an epoch, in chunks between which callbacks hear of them."""
        told = any(type(c).on_chunk_end is not Callback.on_chunk_end for c in self._callbacks)
        while self.steps_done < self.steps:
            self._prepare()
            began = perf_counter()
            first, last = self.steps_done, min(self.steps_done + self._steps_a_call, self.steps)
            before = self._work.done[2]
            self._steps.run(self._work, last)
            self._interrupts.check()
            self.steps_done = last
            self.examples_seen += self._work.done[2] - before
            if told:
                self.logs = {"loss": self._work.done[1] / self._work.done[2]}
                self._tell("on_chunk_end")
            pace = BETWEEN_CALLBACKS / max(perf_counter() - began, 1e-9)
            if last - first == self._steps_a_call or pace < 1.0:
                self._steps_a_call = max(1, int((last - first) * min(max(pace, 0.5), 8.0)))

    def _validate(self) -> None:
        if self._plan.validation is None:
            return
        x, t = self._plan.validation
        y = self._predictor(x)
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
            self._best = _Best(self.epoch, value, state.kept())
            self.history.best_epoch = self.epoch
        optimizer = self._step.optimizer
        if hasattr(optimizer, "observe"):
            state = state.kept()
            state = State(state.params, state.buffers, optimizer.observe(value, state.optimizer))
            self._work.done = (self._steps.take(state), *self._work.done[1:])

    def _last(self) -> Any:
        """The weights that a training ends with when nothing interrupts it."""
        if self._early and self._early.restore_best and self._best:
            self.history.kept_epoch = self._best.epoch
            return self._best.state
        self.history.kept_epoch = self.history.epochs
        return self._work.done[0]

    def _so_far(self, finite: bool = True) -> Any:
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


def _worth_compiling(step: Step, plan: Plan, updates: Sequence[Any]) -> bool:
    """Whether the interpreted training would take longer than a little.

    Whether an object is in the cache must not matter: the same call gives the same bits in every process.

    A step costs some 0.3 ms, and 6 operations for each parameter and example at some 20 in a nanosecond.
    """
    parameters = sum(p.size for p in step.trained.values())
    examples = updates[0][-1][1] - updates[0][0][0]
    seconds: float = plan.epochs * len(updates) * (3e-4 + 6 * parameters * examples / 2e10)
    return seconds > COMPILING
