"""A learning rate that follows a metric."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from koubai.errors import UsageError

__all__ = ["ReduceOnPlateau", "is_rate"]


def is_rate(x: Any) -> bool:
    """Whether a learning rate, or a factor of one, is a finite number >= 0."""
    return isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x) and x >= 0


@dataclass(frozen=True)
class ReduceOnPlateau:
    """A rate that falls when a metric has stopped getting better: not a function of the step.

    What it remembers is plain data in the optimizer's state; after each evaluation tell it the metric with
    ``optimizer.observe(metric)`` (or ``state = optimizer.observe(metric, state)``).

    Parameters
    ----------
    lr : float
        The first rate.
    mode : "min" or "max"
        Which way the metric gets better.
    factor : float, default 0.1
    patience : int, default 10
        How many observations without improvement are put up with.
    threshold : float, default 1e-4
        How much better counts: relative to the best value, or absolute, as `threshold_mode` ("rel", "abs") says.
    cooldown : int, default 0
        Observations after a fall that do not count.
    min_lr : float, default 0
    eps : float, default 1e-8
        Smaller falls are not made.

    Examples
    --------
    >>> schedule = ReduceOnPlateau(1.0, factor=0.5, patience=1)
    >>> state = schedule.init()
    >>> for metric in [3.0, 3.0, 3.0]:
    ...     state = schedule.observe(metric, state)
    >>> state["lr"]
    0.5
    """

    lr: float
    mode: str = "min"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    cooldown: int = 0
    min_lr: float = 0.0
    eps: float = 1e-8

    def __post_init__(self) -> None:
        for holds, says in [
            (is_rate(self.lr) and is_rate(self.min_lr), "lr and min_lr to be numbers >= 0"),
            (self.mode in ("min", "max"), "mode to be 'min' or 'max'"),
            (self.threshold_mode in ("rel", "abs"), "threshold_mode to be 'rel' or 'abs'"),
            (0 < self.factor < 1, "factor to be between 0 and 1"),
            (self.patience >= 0 and self.cooldown >= 0, "patience and cooldown to be >= 0"),
        ]:
            if not holds:
                raise UsageError(f"ReduceOnPlateau: expected {says}, got {self}")

    def init(self) -> dict[str, Any]:
        """What is remembered before the first observation."""
        worst = math.inf if self.mode == "min" else -math.inf
        return {"lr": float(self.lr), "best": worst, "bad": 0, "cooldown": 0}

    def observe(self, metric: float, state: dict[str, Any]) -> dict[str, Any]:
        """What is remembered after the metric has been seen; the rate in use stands under "lr"."""
        metric = float(metric)
        lr, best, bad, cooldown = (state[key] for key in ("lr", "best", "bad", "cooldown"))
        best, bad = (metric, 0) if self._better(metric, best) else (best, bad + 1)
        if cooldown > 0:
            cooldown, bad = cooldown - 1, 0
        if bad > self.patience:
            fallen = max(lr * self.factor, self.min_lr)
            lr = fallen if lr - fallen > self.eps else lr
            cooldown, bad = self.cooldown, 0
        return {"lr": lr, "best": best, "bad": bad, "cooldown": cooldown}

    def _better(self, metric: float, best: float) -> bool:
        sign = 1.0 if self.mode == "min" else -1.0
        if self.threshold_mode == "abs":
            return sign * metric < sign * best - self.threshold
        return sign * metric < sign * (best * (1.0 - sign * self.threshold))
