"""Schedules made of schedules: after a warm-up, one after another, once an epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from koubai.ops.elementwise import maximum, where
from koubai.optim.plateau import is_rate
from koubai.optim.schedules.base import Constant, Schedule, increasing, is_count, line, share


@dataclass(frozen=True)
class Warmup(Schedule):
    """`steps` steps on a line up to the first rate of `lr` (a number or a schedule), then `lr` from its start.

    Parameters
    ----------
    lr : float or schedule
    steps : int
        Until `lr` begins.
    start_factor : float
        The share of the first rate of `lr` that the line starts with.

    Examples
    --------
    >>> [Warmup(1.0, steps=4)(t) for t in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    lr: float | Callable[[Any], Any]
    steps: int
    start_factor: float = 0.0

    def __post_init__(self) -> None:
        self.expect(callable(self.lr) or is_rate(self.lr), "lr to be a number >= 0 or a schedule")
        self.expect(is_count(self.steps), "steps to be an integer >= 1")
        self.expect(is_rate(self.start_factor), "start_factor to be a number >= 0")

    def rate(self, step: Any) -> Any:
        then = self.lr if callable(self.lr) else Constant(self.lr)
        rising = then(0) * line(self.start_factor, 1.0, share(step, self.steps))
        return where(step < self.steps, rising, then(maximum(step - self.steps, 0)))


@dataclass(frozen=True)
class Chain(Schedule):
    """Schedules one after another: the next one begins, at its step 0, at each of the `milestones`.

    Parameters
    ----------
    schedules : tuple of schedules
    milestones : tuple of int
        Increasing; one fewer than schedules.

    Examples
    --------
    >>> from koubai.optim.schedules import Exponential, Linear
    >>> [Chain((Linear(0.0, 1.0, 2), Exponential(1.0, 0.5)), milestones=(2,))(t) for t in range(5)]
    [0.0, 0.5, 1.0, 0.5, 0.25]
    """

    schedules: tuple[Callable[[Any], Any], ...]
    milestones: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedules", tuple(self.schedules))
        object.__setattr__(self, "milestones", tuple(self.milestones))
        self.expect(all(map(callable, self.schedules)), "schedules to be functions of the step")
        self.expect(increasing(self.milestones), "milestones to be increasing integers > 0")
        self.expect(len(self.schedules) == len(self.milestones) + 1, "one schedule more than milestones")

    def rate(self, step: Any) -> Any:
        rate = self.schedules[0](step)
        for milestone, schedule in zip(self.milestones, self.schedules[1:]):
            rate = where(step >= milestone, schedule(maximum(step - milestone, 0)), rate)
        return rate


@dataclass(frozen=True)
class Every(Schedule):
    """A schedule that goes on by one every `n` steps: ``schedule(step // n)``, as with epochs of n batches.

    Parameters
    ----------
    schedule : schedule
    n : int

    Examples
    --------
    >>> from koubai.optim.schedules import Exponential
    >>> [Every(Exponential(1.0, 0.5), n=2)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    schedule: Callable[[Any], Any]
    n: int

    def __post_init__(self) -> None:
        self.expect(callable(self.schedule), "schedule to be a function of the step")
        self.expect(is_count(self.n), "n to be an integer >= 1")

    def rate(self, step: Any) -> Any:
        return self.schedule(step // self.n)
