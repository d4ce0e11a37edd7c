"""Rates that fall by a factor, at some steps or at every one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from koubai.ops.elementwise import where
from koubai.optim.plateau import is_rate
from koubai.optim.schedules.base import Schedule, increasing, is_count


@dataclass(frozen=True)
class Step(Schedule):
    """``lr * gamma^(step // step_size)``: a fall by a factor every `step_size` steps.

    Parameters
    ----------
    lr : float
        The first rate.
    step_size : int
        Steps between two falls.
    gamma : float
        The factor.

    Examples
    --------
    >>> [Step(1.0, step_size=2, gamma=0.5)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    lr: float
    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        self.expect(is_rate(self.lr) and is_rate(self.gamma), "lr and gamma to be numbers >= 0")
        self.expect(is_count(self.step_size), "step_size to be an integer >= 1")

    def rate(self, step: Any) -> Any:
        return self.lr * self.gamma ** (step // self.step_size)


@dataclass(frozen=True)
class MultiStep(Schedule):
    """A fall by the factor `gamma` at each of the `milestones`.

    Parameters
    ----------
    lr : float
        The first rate.
    milestones : tuple of int
        Increasing: the steps that first have the lower rate.
    gamma : float
        The factor.

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
        self.expect(is_rate(self.lr) and is_rate(self.gamma), "lr and gamma to be numbers >= 0")
        self.expect(increasing(self.milestones), "milestones to be increasing integers > 0")

    def rate(self, step: Any) -> Any:
        passed: Any = 0
        for milestone in self.milestones:
            passed = passed + where(step >= milestone, 1, 0)
        return self.lr * self.gamma**passed


@dataclass(frozen=True)
class Piecewise(Schedule):
    """Constant rates: ``values[i]`` before ``boundaries[i]``, the last one after all of them.

    Parameters
    ----------
    boundaries : tuple of int
        Increasing: the steps that first have the next rate.
    values : tuple of float
        One more than boundaries.

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
        self.expect(increasing(self.boundaries), "boundaries to be increasing integers > 0")
        self.expect(len(self.values) == len(self.boundaries) + 1, "one value more than boundaries")
        self.expect(all(map(is_rate, self.values)), "values to be numbers >= 0")

    def rate(self, step: Any) -> Any:
        rate: Any = self.values[0]
        for boundary, value in zip(self.boundaries, self.values[1:]):
            rate = where(step >= boundary, value, rate)
        return rate


@dataclass(frozen=True)
class Exponential(Schedule):
    """``lr * gamma^step``.

    Parameters
    ----------
    lr : float
        The first rate.
    gamma : float
        The factor at every step.

    Examples
    --------
    >>> [Exponential(1.0, gamma=0.5)(t) for t in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """

    lr: float
    gamma: float

    def __post_init__(self) -> None:
        self.expect(is_rate(self.lr) and is_rate(self.gamma), "lr and gamma to be numbers >= 0")

    def rate(self, step: Any) -> Any:
        return self.lr * self.gamma**step
