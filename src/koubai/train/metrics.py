"""Losses and metrics by name, and `evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain, count
from typing import Any

import numpy as np

from koubai.errors import DTypeError, LabelError, ShapeError, UsageError
from koubai.graph import Node, constant
from koubai.nn.losses.lookup import loss_function, loss_names, unknown
from koubai.tensor import Tensor, no_grad

__all__ = [
    "METRICS",
    "Metric",
    "higher_is_better",
    "loss_function",
    "named_metrics",
    "one_number",
    "value_on",
]

Array = np.ndarray[Any, Any]
Metric = Callable[[Array, Array], float]


def accuracy(y: Array, t: Array) -> float:
    """The share of examples of which the largest output is the label's.

    With one output an example, the answer is yes where the logit is positive. Targets may be probabilities.
    """
    if y.ndim == 1 or y.shape[1] == 1:
        return float(np.mean((y.reshape(len(y)) > 0) == (np.asarray(t).reshape(len(y)) > 0.5)))
    labels = t if t.ndim == y.ndim - 1 else t.argmax(axis=1)
    wrong = (labels < 0) | (labels >= y.shape[1])
    if wrong.any():
        raise LabelError(
            f"accuracy: label {labels[wrong][0]} is outside 0 to {y.shape[1] - 1}, since the model has {y.shape[1]} "
            f"outputs; number the classes from 0"
        )
    return float(np.mean(y.argmax(axis=1) == labels))


def _differences(y: Array, t: Array) -> Array:
    if y.shape != t.shape and y.size == t.size:
        t = t.reshape(y.shape)
    if y.shape != t.shape:
        raise ShapeError(f"metric: expected targets of the outputs' shape {y.shape}, got {t.shape}")
    difference: Array = np.asarray(y, np.float64) - np.asarray(t, np.float64)
    return difference


def mae(y: Array, t: Array) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(_differences(y, t))))


def mse(y: Array, t: Array) -> float:
    """Mean squared error."""
    return float(np.mean(_differences(y, t) ** 2))


def rmse(y: Array, t: Array) -> float:
    """Root of the mean squared error, in the target's unit."""
    return float(np.sqrt(mse(y, t)))


def r2(y: Array, t: Array) -> float:
    """Share of the targets' variance that is explained: 1 is perfect, 0 is as good as their mean.

    Over several outputs together: 1 - (sum of squared errors) / (sum of squared deviations from the means).
    """
    t = np.asarray(t, np.float64)
    squares = float(np.sum(_differences(y, t) ** 2))
    deviations = float(np.sum((t - t.mean(axis=0)) ** 2))
    if deviations == 0.0:
        return 1.0 if squares == 0.0 else float("-inf")
    return 1.0 - squares / deviations


METRICS: dict[str, Metric] = {"accuracy": accuracy, "mae": mae, "mse": mse, "r2": r2, "rmse": rmse}


def higher_is_better(name: str) -> bool:
    """Whether a metric grows when a model gets better."""
    return name.removeprefix("val_") in ("accuracy", "r2")


def named_metrics(metrics: Any) -> dict[str, Metric]:
    """Metrics by name, from a name, a callable, several of them, or a dict from names to callables."""
    if isinstance(metrics, Mapping):
        return dict(metrics)
    if isinstance(metrics, str) or callable(metrics):
        metrics = (metrics,)
    if not isinstance(metrics, Iterable):
        raise DTypeError(f"metrics: expected names or functions, got {type(metrics).__name__}")
    found: dict[str, Metric] = {}
    for metric in metrics:
        if callable(metric):
            found[_free_name(getattr(metric, "__name__", type(metric).__name__), found)] = metric
        elif metric in METRICS:
            found[metric] = METRICS[metric]
        elif metric in loss_names():
            found[metric] = _loss_as_metric(loss_function(metric))
        else:
            raise unknown("metric", metric, [*METRICS, *loss_names()])
    return found


def _free_name(name: str, taken: Iterable[str]) -> str:
    """`name`, or with a number behind it where it is taken: two lambdas are both kept."""
    return next(n for n in chain([name], (f"{name} {k}" for k in count(2))) if n not in taken)


def one_number(name: str, metric: Callable[[Array, Array], Any], y: Array, t: Array) -> float:
    """The metric's value as a float.

    Raises
    ------
    UsageError
        If it returns something else than one number.
    """
    value = metric(y, t)
    try:
        return float(value.value if isinstance(value, Node) else value)
    except (TypeError, ValueError):
        got = f"an array of shape {np.shape(value)}" if isinstance(value, np.ndarray) else type(value).__name__
        raise UsageError(f"metric {name}: expected one number for all examples together, got {got}") from None


def _loss_as_metric(loss: Callable[[Any, Any], Any]) -> Metric:
    return lambda y, t: value_on(loss, y, t)


def value_on(loss: Callable[[Any, Any], Any], y: Array, t: Array) -> float:
    """A loss's value on outputs that are there already; they are given as a tensor, as in training."""
    with no_grad(), np.errstate(all="ignore"):
        value = loss(constant(y, Tensor), t)
    return float(value.value if isinstance(value, Node) else value)
