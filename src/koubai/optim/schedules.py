"""Learning rates that change: pure functions from the number of the step, counted from 0, to a rate.

Give one as ``lr`` of an optimizer or of a group. They compute on numbers and record on tensors, hold plain
numbers only (so that they can be copied, compared, printed and pickled), and where PyTorch has a scheduler of
the kind they give its rates. PyTorch's are often stepped once an epoch; here `Every` does that.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from koubai.errors import UsageError
from koubai.graph import Node
from koubai.ops.elementwise import cos, floor, log, maximum, minimum, where
from koubai.optim.plateau import ReduceOnPlateau, is_rate

__all__ = [
    "Chain",
    "Constant",
    "Cosine",
    "CosineWarmRestarts",
    "Every",
    "Exponential",
    "Linear",
    "MultiStep",
    "OneCycle",
    "Piecewise",
    "Polynomial",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
    "Warmup",
]


class Schedule:
    """A function from the step to the learning rate."""

    def __call__(self, step: Any) -> Any:
        rate = self.rate(step)
        return rate if isinstance(rate, Node) else float(rate)

    def rate(self, step: Any) -> Any:
        """The rate at this step, written so that it can be traced."""
        raise NotImplementedError

    def _expect(self, holds: bool, says: str) -> None:
        if not holds:
            raise UsageError(f"{type(self).__name__}: expected {says}, got {self}")


def _is_count(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool) and x >= 1


def _increasing(xs: Any) -> bool:
    return all(isinstance(x, int) and x > 0 for x in xs) and all(a < b for a, b in itertools.pairwise(xs))


def _share(step: Any, steps: int) -> Any:
    """How much of the way is gone: from 0 to 1, then 1."""
    return minimum(step, steps) / steps


def _cosine(start: Any, end: Any, share: Any) -> Any:
    return end + (start - end) * (1.0 + cos(math.pi * share)) / 2.0


def _linear(start: Any, end: Any, share: Any) -> Any:
    return start + (end - start) * share


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate at every step.

    Examples
    --------
    >>> Constant(0.1)(1000)
    0.1
    """

    lr: float

    def __post_init__(self) -> None:
        self._expect(is_rate(self.lr), "lr to be a number >= 0")

    def rate(self, step: Any) -> Any:
        return self.lr


@dataclass(frozen=True)
class Step(Schedule):
    """``lr * gamma^(step // step_size)``: a fall by a factor every `step_size` steps.

    Examples
    --------
    >>> [Step(1.0, step_size=2, gamma=0.5)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    lr: float
    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        self._expect(is_rate(self.lr) and is_rate(self.gamma), "lr and gamma to be numbers >= 0")
        self._expect(_is_count(self.step_size), "step_size to be an integer >= 1")

    def rate(self, step: Any) -> Any:
        return self.lr * self.gamma ** (step // self.step_size)


@dataclass(frozen=True)
class MultiStep(Schedule):
    """A fall by the factor `gamma` at each of the `milestones`.

    Examples
    --------
    >>> [MultiStep(1.0, milestones=(1, 3), gamma=0.5)(t) for t in range(5)]
    [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    lr: float
    milestones: tuple[int, ...]
    gamma: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", tuple(self.milestones))
        self._expect(is_rate(self.lr) and is_rate(self.gamma), "lr and gamma to be numbers >= 0")
        self._expect(_increasing(self.milestones), "milestones to be increasing integers > 0")

    def rate(self, step: Any) -> Any:
        passed: Any = 0
        for milestone in self.milestones:
            passed = passed + where(step >= milestone, 1, 0)
        return self.lr * self.gamma**passed


@dataclass(frozen=True)
class Piecewise(Schedule):
    """Constant rates: ``values[i]`` before ``boundaries[i]``, the last one after all of them.

    Examples
    --------
    >>> [Piecewise((2, 3), (0.1, 0.2, 0.3))(t) for t in range(5)]
    [0.1, 0.1, 0.2, 0.3, 0.3]
    """

    boundaries: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        object.__setattr__(self, "values", tuple(self.values))
        self._expect(_increasing(self.boundaries), "boundaries to be increasing integers > 0")
        self._expect(len(self.values) == len(self.boundaries) + 1, "one value more than boundaries")
        self._expect(all(map(is_rate, self.values)), "values to be numbers >= 0")

    def rate(self, step: Any) -> Any:
        rate: Any = self.values[0]
        for boundary, value in zip(self.boundaries, self.values[1:]):
            rate = where(step >= boundary, value, rate)
        return rate


@dataclass(frozen=True)
class Exponential(Schedule):
    """``lr * gamma^step``.

    Examples
    --------
    >>> [Exponential(1.0, gamma=0.5)(t) for t in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """

    lr: float
    gamma: float

    def __post_init__(self) -> None:
        self._expect(is_rate(self.lr) and is_rate(self.gamma), "lr and gamma to be numbers >= 0")

    def rate(self, step: Any) -> Any:
        return self.lr * self.gamma**step


@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from `start` to `end` in `steps` steps, then `end`.

    Examples
    --------
    >>> [Linear(0.0, 1.0, steps=4)(t) for t in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        self._expect(is_rate(self.start) and is_rate(self.end), "start and end to be numbers >= 0")
        self._expect(_is_count(self.steps), "steps to be an integer >= 1")

    def rate(self, step: Any) -> Any:
        return _linear(self.start, self.end, _share(step, self.steps))


@dataclass(frozen=True)
class Polynomial(Schedule):
    """``end + (lr - end) (1 - step/steps)^power``, then `end`.

    Examples
    --------
    >>> [Polynomial(1.0, steps=4, power=2.0)(t) for t in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """

    lr: float
    steps: int
    power: float = 1.0
    end: float = 0.0

    def __post_init__(self) -> None:
        self._expect(is_rate(self.lr) and is_rate(self.end), "lr and end to be numbers >= 0")
        self._expect(_is_count(self.steps), "steps to be an integer >= 1")
        self._expect(is_rate(self.power), "power to be a number >= 0")

    def rate(self, step: Any) -> Any:
        return self.end + (self.lr - self.end) * (1.0 - _share(step, self.steps)) ** self.power


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a period of a cosine from `lr` down to `eta_min` in `steps` steps, then `eta_min`.

    References
    ----------
    I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.

    Examples
    --------
    >>> [round(Cosine(1.0, steps=4)(t), 6) for t in range(6)]
    [1.0, 0.853553, 0.5, 0.146447, 0.0, 0.0]
    """

    lr: float
    steps: int
    eta_min: float = 0.0

    def __post_init__(self) -> None:
        self._expect(is_rate(self.lr) and is_rate(self.eta_min), "lr and eta_min to be numbers >= 0")
        self._expect(_is_count(self.steps), "steps to be an integer >= 1")

    def rate(self, step: Any) -> Any:
        return _cosine(self.lr, self.eta_min, _share(step, self.steps))


@dataclass(frozen=True)
class CosineWarmRestarts(Schedule):
    """Cosines from `lr` to `eta_min`, the first `T_0` steps long, each next one `T_mult` times longer.

    References
    ----------
    I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.

    Examples
    --------
    >>> [round(CosineWarmRestarts(1.0, T_0=2, T_mult=2)(t), 6) for t in range(7)]
    [1.0, 0.5, 1.0, 0.853553, 0.5, 0.146447, 1.0]
    """

    lr: float
    T_0: int
    T_mult: int = 1
    eta_min: float = 0.0

    def __post_init__(self) -> None:
        self._expect(is_rate(self.lr) and is_rate(self.eta_min), "lr and eta_min to be numbers >= 0")
        self._expect(_is_count(self.T_0) and _is_count(self.T_mult), "T_0 and T_mult to be integers >= 1")

    def rate(self, step: Any) -> Any:
        if self.T_mult == 1:
            return _cosine(self.lr, self.eta_min, (step % self.T_0) / self.T_0)
        # Cycle n begins at T_0 (T_mult^n - 1)/(T_mult - 1); the small number outweighs the logarithm's rounding.
        grown = 1.0 + step * (self.T_mult - 1) / self.T_0
        power = float(self.T_mult) ** floor(log(grown) / math.log(self.T_mult) + 1e-9)
        begun = self.T_0 * (power - 1.0) / (self.T_mult - 1)
        return _cosine(self.lr, self.eta_min, (step - begun) / (self.T_0 * power))


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from ``max_lr/div_factor`` to `max_lr` in the share `pct_start` of the steps, then far down.

    The last rate is ``max_lr/div_factor/final_div_factor``. With `three_phase` the way down is first as long
    as the way up.

    References
    ----------
    L. N. Smith, N. Topin, "Super-convergence: very fast training of neural networks using large learning
    rates", arXiv:1708.07120 (2017).

    Examples
    --------
    >>> [round(OneCycle(1.0, steps=5, pct_start=0.4)(t), 6) for t in range(6)]
    [0.04, 1.0, 0.750001, 0.250003, 4e-06, 4e-06]
    """

    max_lr: float
    steps: int
    pct_start: float = 0.3
    anneal_strategy: str = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False

    def __post_init__(self) -> None:
        self._expect(is_rate(self.max_lr), "max_lr to be a number >= 0")
        self._expect(_is_count(self.steps) and self.steps >= 2, "steps to be an integer >= 2")
        self._expect(0 <= self.pct_start <= 1, "pct_start to be in [0, 1]")
        self._expect(self.anneal_strategy in ("cos", "linear"), "anneal_strategy to be 'cos' or 'linear'")
        self._expect(self.div_factor > 0 and self.final_div_factor > 0, "the factors to be > 0")

    def rate(self, step: Any) -> Any:
        curve = _cosine if self.anneal_strategy == "cos" else _linear
        first = self.max_lr / self.div_factor
        last = first / self.final_div_factor
        up = self.pct_start * self.steps - 1
        corners = [(0, first), (up, self.max_lr), (self.steps - 1, last)]
        if self.three_phase:
            corners.insert(2, (2 * self.pct_start * self.steps - 2, first))
        rate: Any = last
        for (begin, low), (end, high) in reversed(list(itertools.pairwise(corners))):
            share = (minimum(maximum(step, begin), end) - begin) / (end - begin) if end > begin else 1.0
            rate = where(step <= end, curve(low, high, share), rate)
        return rate


@dataclass(frozen=True)
class Warmup(Schedule):
    """`steps` steps on a line up to the first rate of `lr` (a number or a schedule), then `lr` from its start.

    Examples
    --------
    >>> [Warmup(1.0, steps=4)(t) for t in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    lr: float | Callable[[Any], Any]
    steps: int
    start_factor: float = 0.0

    def __post_init__(self) -> None:
        self._expect(callable(self.lr) or is_rate(self.lr), "lr to be a number >= 0 or a schedule")
        self._expect(_is_count(self.steps), "steps to be an integer >= 1")
        self._expect(is_rate(self.start_factor), "start_factor to be a number >= 0")

    def rate(self, step: Any) -> Any:
        then = self.lr if callable(self.lr) else Constant(self.lr)
        rising = then(0) * _linear(self.start_factor, 1.0, _share(step, self.steps))
        return where(step < self.steps, rising, then(maximum(step - self.steps, 0)))


@dataclass(frozen=True)
class Chain(Schedule):
    """Schedules one after another: the next one begins, at its step 0, at each of the `milestones`.

    Examples
    --------
    >>> [Chain((Linear(0.0, 1.0, 2), Exponential(1.0, 0.5)), milestones=(2,))(t) for t in range(5)]
    [0.0, 0.5, 1.0, 0.5, 0.25]
    """

    schedules: tuple[Callable[[Any], Any], ...]
    milestones: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedules", tuple(self.schedules))
        object.__setattr__(self, "milestones", tuple(self.milestones))
        self._expect(all(map(callable, self.schedules)), "schedules to be functions of the step")
        self._expect(_increasing(self.milestones), "milestones to be increasing integers > 0")
        self._expect(len(self.schedules) == len(self.milestones) + 1, "one schedule more than milestones")

    def rate(self, step: Any) -> Any:
        rate = self.schedules[0](step)
        for milestone, schedule in zip(self.milestones, self.schedules[1:]):
            rate = where(step >= milestone, schedule(maximum(step - milestone, 0)), rate)
        return rate


@dataclass(frozen=True)
class Every(Schedule):
    """A schedule that goes on by one every `n` steps: ``schedule(step // n)``, as with epochs of n batches.

    Examples
    --------
    >>> [Every(Exponential(1.0, 0.5), n=2)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    schedule: Callable[[Any], Any]
    n: int

    def __post_init__(self) -> None:
        self._expect(callable(self.schedule), "schedule to be a function of the step")
        self._expect(_is_count(self.n), "n to be an integer >= 1")

    def rate(self, step: Any) -> Any:
        return self.schedule(step // self.n)
