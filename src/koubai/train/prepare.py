"""Data before training: brought to the model's dtype, and refused where they cannot be right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from koubai.errors import DataError, LabelError, ShapeError, UsageError
from koubai.graph import Node
from koubai.nn import Module, losses
from koubai.nn.examples import aligned, as_pair

__all__ = [
    "aligned",
    "as_pair",
    "first_outputs",
    "lost_digits",
    "refuse_lost_digits",
    "refuse_probabilities",
    "refuse_targets",
]

Array = np.ndarray[Any, Any]
A_FEW = 8
OF_LABELS = ("cross_entropy", "nll", "multi_margin")
ENOUGH = 0.01  # of the spread of a column: what may be lost by rounding to the model's dtype


def lost_digits(column: Array, dtype: Any) -> bool:
    """Whether rounding to `dtype` wipes out how the numbers of a column differ (1e9 + 0.25 as float32)."""
    column = np.asarray(column, np.float64)
    largest = np.abs(column).max()
    spread = (column / (largest or 1.0)).std()  # of numbers up to 1, so that no square is too small or too large
    if not spread > 1e-12:
        return False  # constant, but for rounding
    lost = np.abs(column.astype(dtype).astype(np.float64) - column).max()
    return bool(lost / largest > ENOUGH * spread)


def refuse_lost_digits(data: Any, x: Array, t: Array, what: str) -> None:
    """Refuse columns of which the model would see nothing but rounding.

    Raises
    ------
    DataError
        With the argument and the column.
    """
    for before, after, name in zip(data, (x, t), ("x", "t")):
        before = np.asarray(before.value if isinstance(before, Node) else before)
        if before.dtype == after.dtype or after.dtype.kind != "f" or len(before) < 2:
            continue
        rows = before.reshape(len(before), -1)
        for k in range(rows.shape[1]):
            if lost_digits(rows[:, k], after.dtype):
                place = f", column {k}" if before.ndim > 1 else ""
                low, high = rows[:, k].min(), rows[:, k].max()
                raise DataError(
                    f"{what}, {name}{place}: the numbers, from {low:.12g} to {high:.12g}, differ by less than "
                    f"{after.dtype} can tell apart; subtract their mean, scale them, or use a float64 model"
                )


def first_outputs(model: Module, x: Array) -> Array:
    """The model's outputs for the first few examples: does it take them, and does it keep the rows apart?"""
    rows = min(A_FEW, len(x))
    y = np.asarray(model.predict(x[:rows]))
    if y.ndim == 0 or len(y) != rows:
        raise ShapeError(
            f"the model made an output of shape {y.shape} from {rows} examples; expected one row an example"
        )
    return y


def refuse_targets(loss: str | Callable[..., Any], y: Array, t: Array, what: str = "data") -> None:
    """Refuse labels outside the classes, and answers outside 0 to 1, before the first step.

    Raises
    ------
    LabelError
        With the row.
    """
    if loss in (*OF_LABELS, *(getattr(losses, name) for name in OF_LABELS)) and t.dtype.kind in "biu":
        classes = y.shape[1] if y.ndim > 1 else 1
        if classes == 1:
            raise ShapeError(
                f"{what}: {_name(loss)} needs one output a class, but the model has a single output; give the last "
                f"layer as many outputs as there are classes, or use binary_cross_entropy for no and yes"
            )
        wrong = (t < 0) | (t >= classes)
        if wrong.any():
            row = np.argwhere(wrong)[0]
            raise LabelError(
                f"{what}, t: label {t[tuple(row)]} in row {row[0]} is outside 0 to {classes - 1}, since the model has "
                f"{classes} outputs; number the classes from 0, or give the model more outputs"
            )
    if loss in ("binary_cross_entropy", losses.binary_cross_entropy):
        wrong = (t < 0) | (t > 1)
        if wrong.any():
            row = np.argwhere(wrong)[0]
            raise LabelError(
                f"{what}, t: target {t[tuple(row)]} in row {row[0]} is outside 0 to 1; binary targets are 0 for no and "
                f"1 for yes, or a probability"
            )


def refuse_probabilities(loss: str | Callable[..., Any], model: Module, x: Array) -> None:
    """Refuse outputs that are probabilities where the loss takes logits, and the other way round.

    Both train without an error, slowly and to wrong probabilities, since the sigmoid or softmax is applied
    twice, or not at all.

    Raises
    ------
    UsageError
        With the remedy.
    """
    name = _name(loss)
    if name == "nll":
        if (np.asarray(model.predict(x)) > 1e-6).any():
            raise UsageError(
                "nll takes logarithms of probabilities, which are not above 0, but some of the model's outputs are; "
                "end the model with LogSoftmax, or use cross_entropy, which takes the outputs as they are"
            )
    elif name in ("cross_entropy", "binary_cross_entropy"):
        last = _last_layer(model, x)
        if last is not None:
            raise UsageError(
                f"{name} takes logits, the numbers before {last}, which it applies by itself, but the model ends in a "
                f"{last}; leave it out (and apply kb.nn.{last} to the predictions where probabilities are wanted)"
            )


def _name(loss: str | Callable[..., Any]) -> str:
    if isinstance(loss, str):
        return loss
    name = getattr(loss, "__name__", "")
    return name if getattr(losses, name, None) is loss else ""


def _last_layer(model: Module, x: Array) -> str | None:
    """``"sigmoid"`` or ``"softmax"`` if that makes the model's outputs, whatever the model is built of."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        y = model(x)
    finally:
        for module, mode in modes:
            module.training = mode
    made = y
    while isinstance(made, Node) and made.op is not None and made.op.name in ("reshape", "getitem", "astype"):
        made = made.inputs[0]
    if isinstance(made, Node) and made.op is not None and made.op.name == "expit":
        return "sigmoid"
    values = np.asarray(y.value if isinstance(y, Node) else y)
    if values.ndim < 2 or values.shape[1] < 2 or values.dtype.kind != "f" or (values < 0).any():
        return None
    return "softmax" if (np.abs(values.sum(axis=1) - 1) < 1e-5).all() else None
