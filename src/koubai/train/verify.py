"""One training step three ways: by numerical differentiation, by the interpreter and by the compiled program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from koubai.data import permutation
from koubai.errors import DTypeError, GradientError, TrainingError, UsageError
from koubai.nn import Module
from koubai.tensor.trees import flatten
from koubai.train.arguments import checked, clipping, pure, refuse_loss
from koubai.train.gradient_check import Network, comparable, compare_some
from koubai.train.metrics import loss_function
from koubai.train.native import NativeSteps
from koubai.train.replay import first_difference
from koubai.train.step import Batch, Pass, State, Step, updates_of
from koubai.train.step_report import StepReport, StepRow

__all__ = ["verify_step"]

MOST = 32  # examples, where no batch size is given: as in `fit`
TOLERANCE = {2: 2e-2, 4: 1e-4, 8: 1e-9}  # by the bytes of a number
ROUNDINGS = 100  # so many units of rounding of the largest number around are noise, not a difference


def verify_step(
    model: Module,
    data: Any,
    *,
    loss: str | Callable[[Any, Any], Any],
    optimizer: Any = "adam",
    batch_size: int | None = None,
    step: int = 1,
    seed: int = 0,
    clip: float | Callable[[Any], Any] | None = None,
    accumulate: int = 1,
    count: int = 50,
    rtol: float | None = None,
) -> StepReport:
    """Take one step of a training three ways, and compare what comes out.

    The gradient is compared with numerical differentiation, in float64, on a sample of the parameters. Then the
    step is taken by the interpreter and by the compiled program of `koubai.fit`, in the model's dtype, and gradients,
    new parameters, what the optimizer remembers, buffers and losses are compared. The model is left as it is.

    Parameters
    ----------
    model : Module
    data : (x, t), or a Dataset
    loss, optimizer, seed, clip, accumulate
        As in `koubai.fit`.
    batch_size : int, optional
        By default that of `koubai.fit`, or all examples where there are fewer.
    step : int
        Which step of the training is verified, from 1. Those before it are taken by the interpreter, in the order of
        `koubai.fit`; the last one of an epoch may see fewer examples.
    count : int
        How many numbers, spread over all parameters, are differentiated numerically.
    rtol : float, optional
        What compiled and interpreted numbers may differ by, relative to the larger of the two and of the root mean
        square of their array (for new parameters: of how far they moved). By default 1e-9 in float64, 1e-4 in
        float32. Beside this, 100 units of rounding of the largest gradient are no difference, nor is what rounding
        of the gradient does to a new parameter.

    Returns
    -------
    StepReport
        ``str()`` is a table. Where the step cannot be compiled the report says why; where parts of it run in NumPy,
        which.

    Raises
    ------
    GradientError
        If the ways disagree, with the op or layer that is to blame where it can be found.
    DataError, ShapeError, DTypeError, UsageError
        If data or arguments cannot be right.

    Examples
    --------
    >>> import koubai as kb
    >>> model = kb.nn.Sequential(kb.nn.Linear(4, 8), kb.nn.Tanh(), kb.nn.Linear(8, 3))
    >>> report = kb.verify_step(model, kb.data.load("iris"), loss="cross_entropy")
    >>> report.ok, report.compiled, report.callbacks
    (True, True, {})
    """
    if not isinstance(model, Module):
        raise DTypeError(f"verify_step: expected the model to be a kb.nn.Module, got {type(model).__name__}")
    numbers = {"step": step, "accumulate": accumulate, "count": count, "batch_size": batch_size or 1}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise UsageError(f"verify_step: {name} must be a whole number from 1, got {value!r}")
    if not any(p.requires_grad for p in model.parameters()):
        raise UsageError("verify_step: the model has no parameter to train; they are all frozen, or there are none")
    function = loss_function(loss)
    x, t, shape = checked(model, data, loss, "data")
    refuse_loss("verify_step", model, function, x, t)
    modes = [(module, module.training) for module in model.modules()]
    trained = Step(model, function, pure("verify_step", optimizer), x, t, clipping("verify_step", clip))
    before = trained.state()
    try:
        model.train()
        replay = _Replay(trained, before, updates_of(len(x), batch_size or min(MOST, len(x)), accumulate), step, seed)
        return replay.report(np.zeros((len(x), *shape), model.dtype), count, rtol)
    finally:
        trained.bind(before)
        for module, mode in modes:
            module.training = mode


class _Shown:
    """An optimizer whose state holds the last gradients too, as they come out of backpropagation."""

    def __init__(self, optimizer: Any, clip: Callable[[Any], Any] | None) -> None:
        self.optimizer, self.clip = optimizer, clip

    def init(self, params: Any) -> Any:
        return self.around(self.optimizer.init(params), params)

    @staticmethod
    def around(state: Any, params: Any) -> Any:
        return {"inner": state, "grads": {name: np.zeros_like(p) for name, p in params.items()}}

    def update(self, grads: Any, state: Any, params: Any) -> Any:
        moved, inner = self.moved(grads, state["inner"], params)
        return moved, {"inner": inner, "grads": {**state["grads"], **grads}}

    def moved(self, grads: Any, state: Any, params: Any) -> Any:
        return self.optimizer.update(grads if self.clip is None else self.clip(grads), state, params)


class _Replay:
    """A step of a training and all that is needed to take it again.

    Attributes
    ----------
    state : State
        Before the step.
    order, update : the examples in the order of the epoch, and which of them the step sees
    """

    def __init__(self, trained: Step, state: State, updates: Sequence[list[Batch]], number: int, seed: int) -> None:
        n = len(trained.x)
        self.trained, self.state, self.number, self.seed = trained, state, number, seed
        for k in range(number):
            epoch, self.at = divmod(k, len(updates))
            if self.at == 0:
                self.order = np.arange(n) if updates == [[(0, n)]] else permutation(n, seed, epoch + 1)
            self.update = updates[self.at]
            if k + 1 < number:
                with np.errstate(all="ignore"):
                    self.state, *_ = trained(self.state, self.order, self.update, None)
        self.examples = sum(stop - start for start, stop in self.update)
        self.shown = _Shown(trained.optimizer, trained.clip)
        trained.bind(self.state)

    def report(self, outputs: Any, count: int, rtol: float | None) -> StepReport:
        """Everything compared; `outputs` is where the model's outputs are put meanwhile.

        Raises
        ------
        GradientError
            If something disagrees.
        """
        trained = self.trained
        numerical = self._numerical(count)
        step = Step(trained.model, trained.loss, self.shown, trained.x, trained.t, None)
        start = State(self.state.params, self.state.buffers, _Shown.around(self.state.optimizer, self.state.params))
        with np.errstate(all="ignore"):
            new, total, _ = step(start, self.order, self.update, outputs)
        widest = max((p.dtype for p in self.state.params.values()), key=lambda d: np.finfo(d).eps)
        gauge = _Gauge(rtol or TOLERANCE[np.zeros(0, widest).real.itemsize], float(np.finfo(widest).eps))
        rows = [
            StepRow(name, p.shape, max(numerical[name], default=None), len(numerical[name]))
            for name, p in self.state.params.items()
        ]
        report = StepReport(self.number, self.examples, str(widest), total / self.examples, gauge.rtol, tuple(rows))
        try:
            native = NativeSteps(trained, [self.update], False), NativeSteps(step, [self.update], False)
        except Exception as error:  # whatever it is: `fit` goes on without compiling too
            return report.not_compiled(str(error))
        try:
            compiled, value = self._taken(native[0], self.state)
            graded, _ = self._taken(native[1], start)
        except TrainingError as error:
            raise GradientError(
                f"verify_step: compiled, {error}; interpreted, it is {report.loss:.10g}.\n"
                f"{self._blame(native[1], start, gauge.rtol)}"
            ) from None
        # A loss is small where outputs and targets cancel out, but its rounding is not.
        loss_gap = gauge.gap(value, report.loss, gauge.noise * float(np.abs(outputs).max(initial=0.0)))
        found = self._compared(gauge, report, new, compiled, graded).lost(value, loss_gap)
        if not found.ok:
            raise GradientError(f"verify_step: {found.verdict}.\n{self._blame(native[1], start, gauge.rtol)}\n{found}")
        return found.through(native[0].callbacks())

    def _numerical(self, count: int) -> dict[str, list[float]]:
        trained = self.trained
        rows = [self.order[start:stop] for start, stop in self.update]
        network = Network(trained.model, trained.loss, [(trained.x[r], trained.t[r]) for r in rows])
        comparable(network)
        found = compare_some(network, np.random.Generator(np.random.Philox(abs(self.seed))), count)
        return {name: found.get(name, []) for name in self.state.params}

    def _taken(self, native: NativeSteps, state: State) -> tuple[State, float]:
        """The state after the compiled step, and its loss."""
        work = Pass(self.order, [self.update], None, (native.take(state), 0.0, 0, 0))
        native.run(work, 1)
        return work.done[0].kept(), work.done[1] / work.done[2]

    def _compared(self, gauge: _Gauge, report: StepReport, new: State, compiled: State, graded: State) -> StepReport:
        state, grads = self.state, new.optimizer["grads"]
        largest = max((float(np.abs(g).max(initial=0.0)) for g in grads.values()), default=0.0)
        either = [
            self.shown.moved(
                {name: g + sign * gauge.slack(g, largest) for name, g in grads.items()}, state.optimizer, state.params
            )
            for sign in (1, -1)
        ]
        rows = []
        for row in report.rows:
            name = row.name
            gradient = gauge.gap(graded.optimizer["grads"][name], grads[name], gauge.noise * largest)
            spread = _spread(new.params[name], [params[name] for params, _ in either])
            moved = gauge.moved(compiled.params[name], new.params[name], state.params[name], spread)
            rows.append(row.compiled(gradient, moved))
        size = max((float(np.abs(b).max(initial=0.0)) for b in new.buffers.values()), default=0.0)
        for name, b in new.buffers.items():
            row = StepRow(name, b.shape, None, 0)
            rows.append(row.compiled(None, gauge.gap(compiled.buffers[name], b, gauge.noise * size)))
        memory = 0.0
        leaves, *others = (flatten(m)[0] for m in (new.optimizer["inner"], compiled.optimizer, *(m for _, m in either)))
        for leaf, found, *around in zip(leaves, *others):
            if isinstance(leaf, (int, float, np.ndarray, np.generic)):
                memory = max(memory, gauge.gap(found, leaf, _spread(leaf, around) / gauge.rtol))
        return report.compared(rows, memory)

    def _blame(self, native: NativeSteps, start: State, rtol: float) -> str:
        native.take(start)
        rows = [self.order[begin:stop] for begin, stop in self.update]
        trace = native.traced(tuple(map(len, rows)))
        found = first_difference(trace, [*native.block.arrays, self.trained.x, self.trained.t, *rows], rtol)
        return found or (
            "Each op by itself is right: either code of the model, the loss or the optimizer does something else while "
            "it is traced, or the compiler puts the ops together wrongly; train with compile=False"
        )


class _Gauge:
    """How far apart numbers are, relative to their size.

    Attributes
    ----------
    rtol : float
        What is allowed.
    noise : float
        By what a size is multiplied to become, as a part of what is divided by, an allowance for rounding.
    """

    def __init__(self, rtol: float, eps: float) -> None:
        self.rtol, self.eps = rtol, eps
        self.noise = ROUNDINGS * eps / rtol

    def slack(self, g: Any, largest: float) -> Any:
        """What a gradient may be off by."""
        size = np.maximum(np.abs(g), _rms(g)) + self.noise * largest
        return (self.rtol * size).astype(g.dtype)

    def gap(self, a: Any, b: Any, floor: Any = 0.0) -> float:
        """The largest relative difference."""
        return _relative(a, b, np.maximum(np.maximum(np.abs(a), np.abs(b)), _rms(b)) + floor)

    def moved(self, a: Any, b: Any, old: Any, spread: Any) -> float:
        """The same for new values of something old, relative to how far it moved."""
        far = np.maximum(np.abs(np.subtract(a, old)), np.abs(np.subtract(b, old)))
        stored = 4.0 * self.eps * np.maximum(np.abs(b), np.abs(old))
        return _relative(a, b, np.maximum(far, _rms(np.subtract(b, old))) + (stored + spread) / self.rtol)


def _relative(a: Any, b: Any, size: Any) -> float:
    a, b = np.asarray(a), np.asarray(b)
    same = (a == b) | ((a != a) & (b != b))
    with np.errstate(all="ignore"):
        gap = np.where(same, 0.0, np.abs(np.subtract(a, b, dtype=np.result_type(a, b, np.float64))) / size)
    return float(np.where(np.isnan(gap), np.inf, gap).max(initial=0.0))


def _rms(a: Any) -> float:
    a = np.abs(np.asarray(a, np.result_type(np.asarray(a), np.float64)))
    return float(np.sqrt(np.mean(a * a))) if a.size else 0.0


def _spread(value: Any, around: Sequence[Any]) -> Any:
    wide = np.result_type(np.asarray(value), np.float64)
    with np.errstate(all="ignore"):
        far = [np.abs(np.subtract(other, value, dtype=wide)) for other in around]
        return np.nan_to_num(np.maximum(*far), nan=np.inf)
