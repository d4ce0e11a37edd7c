"""History: what a training did, epoch by epoch."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

from koubai.data.atomic import write_atomically
from koubai.train.gradient_check import GradCheck

__all__ = ["History"]


class History:
    """The course of a training. Returned by `koubai.fit`.

    Attributes
    ----------
    history : dict from name to list of float
        ``"loss"``: the mean over the examples of each epoch, as they were seen (each with the weights of its
        step). ``"val_loss"``, and metrics, beside it.
    rows : list of dict
        The same, one dict an epoch.
    grad_check : GradCheck or None
        The comparison of backpropagation with numerical differentiation before the first step.
    epochs : int
        How many epochs were completed.
    seconds : float
        Time spent in training, validation included, the gradient check not.
    best_epoch : int or None
        The epoch (from 1) whose monitored value was best.
    kept_epoch : int or None
        The epoch whose weights the model holds now; None where it holds those of an epoch that was not completed.
    interrupted, stopped_early : bool
        Whether Ctrl-C, or early stopping or a callback, ended the training.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.grad_check: GradCheck | None = None
        self.seconds = 0.0
        self.best_epoch: int | None = None
        self.kept_epoch: int | None = None
        self.interrupted = False
        self.stopped_early = False

    @property
    def history(self) -> dict[str, list[float]]:
        return {name: [row[name] for row in self.rows] for name in (self.rows[0] if self.rows else {"loss": 0.0})}

    @property
    def epochs(self) -> int:
        return len(self.rows)

    def to_csv(self, path: Any) -> None:
        """Write the columns ``epoch, loss, ...``, one line an epoch, with all digits."""
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", *self.history])
        writer.writerows([k, *map(repr, row.values())] for k, row in enumerate(self.rows, start=1))
        write_atomically(path, text.getvalue())

    def plot(self, path: Any, title: str = "") -> None:
        """Draw the curves of losses and metrics as an SVG picture, readable on light and dark paper."""
        from koubai.train.curves import curves

        write_atomically(path, curves(self.history, title))

    def __repr__(self) -> str:
        if not self.rows:
            return "<History: no epoch was completed>"
        last = ", ".join(f"{name} {value:.4g}" for name, value in self.rows[-1].items())
        return f"<History: {self.epochs} epoch{'s' * (self.epochs != 1)}, {last}>"
