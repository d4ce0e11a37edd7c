"""Rates that follow a curve between given values: lines, powers, cosines."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from koubai.ops.elementwise import floor, log, maximum, minimum, where
from koubai.optim.plateau import is_rate
from koubai.optim.schedules.base import Schedule, cosine, is_count, line, share


@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from `start` to `end` in `steps` steps, then `end`.

    Parameters
    ----------
    start, end : float
    steps : int
        Until `end` is reached.

    Examples
    --------
    >>> [Linear(0.0, 1.0, steps=4)(t) for t in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        self.expect(is_rate(self.start) and is_rate(self.end), "start and end to be numbers >= 0")
        self.expect(is_count(self.steps), "steps to be an integer >= 1")

    def rate(self, step: Any) -> Any:
        return line(self.start, self.end, share(step, self.steps))


@dataclass(frozen=True)
class Polynomial(Schedule):
    """``end + (lr - end) (1 - step/steps)^power``, then `end`.

    Parameters
    ----------
    lr : float
        The first rate.
    steps : int
        Until `end` is reached.
    power : float
        1 is a straight line.
    end : float

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
        self.expect(is_rate(self.lr) and is_rate(self.end), "lr and end to be numbers >= 0")
        self.expect(is_count(self.steps), "steps to be an integer >= 1")
        self.expect(is_rate(self.power), "power to be a number >= 0")

    def rate(self, step: Any) -> Any:
        return self.end + (self.lr - self.end) * (1.0 - share(step, self.steps)) ** self.power


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a period of a cosine from `lr` down to `eta_min` in `steps` steps, then `eta_min`.

    Parameters
    ----------
    lr : float
        The first rate.
    steps : int
        Until `eta_min` is reached.
    eta_min : float
        The last rate.

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
        self.expect(is_rate(self.lr) and is_rate(self.eta_min), "lr and eta_min to be numbers >= 0")
        self.expect(is_count(self.steps), "steps to be an integer >= 1")

    def rate(self, step: Any) -> Any:
        return cosine(self.lr, self.eta_min, share(step, self.steps))


@dataclass(frozen=True)
class CosineWarmRestarts(Schedule):
    """Cosines from `lr` to `eta_min`, the first `T_0` steps long, each next one `T_mult` times longer.

    Parameters
    ----------
    lr : float
        The first rate.
    T_0 : int
        Steps of the first period.
    T_mult : int
        How many times longer each period is than the one before.
    eta_min : float
        The rate that each period ends above.

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
        self.expect(is_rate(self.lr) and is_rate(self.eta_min), "lr and eta_min to be numbers >= 0")
        self.expect(is_count(self.T_0) and is_count(self.T_mult), "T_0 and T_mult to be integers >= 1")

    def rate(self, step: Any) -> Any:
        if self.T_mult == 1:
            return cosine(self.lr, self.eta_min, (step % self.T_0) / self.T_0)
        # Cycle n begins at T_0 (T_mult^n - 1)/(T_mult - 1); the small number outweighs the logarithm's rounding.
        grown = 1.0 + step * (self.T_mult - 1) / self.T_0
        power = float(self.T_mult) ** floor(log(grown) / math.log(self.T_mult) + 1e-9)
        begun = self.T_0 * (power - 1.0) / (self.T_mult - 1)
        return cosine(self.lr, self.eta_min, (step - begun) / (self.T_0 * power))


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from ``max_lr/div_factor`` to `max_lr` in the share `pct_start` of the steps, then far down.

    The last rate is ``max_lr/div_factor/final_div_factor``. With `three_phase` the way down is first as long
    as the way up.

    Parameters
    ----------
    max_lr : float
    steps : int
        Of the whole cycle, at least 2.
    pct_start : float
        The share of the steps that go up.
    anneal_strategy : {"cos", "linear"}
        The shape of the ways.
    div_factor, final_div_factor : float
        See above.
    three_phase : bool

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
        self.expect(is_rate(self.max_lr), "max_lr to be a number >= 0")
        self.expect(is_count(self.steps) and self.steps >= 2, "steps to be an integer >= 2")
        self.expect(0 <= self.pct_start <= 1, "pct_start to be in [0, 1]")
        self.expect(self.anneal_strategy in ("cos", "linear"), "anneal_strategy to be 'cos' or 'linear'")
        self.expect(self.div_factor > 0 and self.final_div_factor > 0, "the factors to be > 0")

    def rate(self, step: Any) -> Any:
        curve = cosine if self.anneal_strategy == "cos" else line
        first = self.max_lr / self.div_factor
        last = first / self.final_div_factor
        up = self.pct_start * self.steps - 1
        corners = [(0, first), (up, self.max_lr), (self.steps - 1, last)]
        if self.three_phase:
            corners.insert(2, (2 * self.pct_start * self.steps - 2, first))
        rate: Any = last
        for (begin, low), (end, high) in reversed(list(itertools.pairwise(corners))):
            part = (minimum(maximum(step, begin), end) - begin) / (end - begin) if end > begin else 1.0
            rate = where(step <= end, curve(low, high, part), rate)
        return rate
