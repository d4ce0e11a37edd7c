"""What users hang into a training: the protocol, and early stopping."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from koubai.errors import DTypeError, UsageError

if TYPE_CHECKING:
    from koubai.train.loop import Training

__all__ = ["Callback", "Checkpoint", "EarlyStopping", "as_callbacks"]


class Callback:
    """Something that is told how a training goes. Subclass it and write the methods that are wanted.

    Each receives the training under way: ``run.model``, ``run.epoch`` (from 1), ``run.epochs``, ``run.logs`` (the
    epoch's numbers so far), ``run.history``, ``run.steps_done`` and ``run.steps`` of this epoch,
    ``run.examples_seen``, ``run.improved`` (whether this epoch is the best so far) and ``run.stop()``, which
    ends the training after this epoch. A plain function in fit's `callbacks` is called as `on_epoch_end`.

    Examples
    --------
    >>> import numpy as np
    >>> import koubai as kb
    >>> class Patience(kb.train.Callback):
    ...     def on_epoch_end(self, run):
    ...         if run.logs["loss"] < 0.5:
    ...             run.stop()
    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> history = kb.fit(kb.nn.Linear(1, 1), (x, 3 * x), loss="mse", optimizer=kb.optim.SGD(lr=0.1),
    ...                  epochs=500, batch_size=5, callbacks=[Patience()])
    >>> history.stopped_early
    True
    """

    def on_train_begin(self, run: Training) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, run: Training) -> None:
        """Before each epoch."""

    def on_chunk_end(self, run: Training) -> None:
        """After some steps, about ten times a second: for progress, not for decisions."""

    def on_epoch_end(self, run: Training) -> None:
        """After each epoch, when ``run.logs`` is complete."""

    def on_train_end(self, run: Training) -> None:
        """After the last epoch, also when it was interrupted."""


class EarlyStopping(Callback):
    """Stop when a value has not become better for some epochs.

    Parameters
    ----------
    monitor : str, optional
        ``"val_loss"`` with validation data, otherwise ``"loss"``; or the name of a metric.
    patience : int, default 10
        How many epochs without improvement are allowed.
    min_delta : float, default 0
        Less than this is no improvement.
    mode : {"min", "max"}, optional
        Which way is better; by default "max" for accuracy and r2, otherwise "min".
    restore_best : bool, default True
        Give the model the weights of the best epoch at the end.
    """

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise UsageError(f"EarlyStopping: patience must be a whole number from 1, got {patience!r}")
        if mode not in (None, "min", "max"):
            raise UsageError(f"EarlyStopping: mode must be 'min' or 'max', got {mode!r}")
        self.monitor, self.patience, self.min_delta, self.mode = monitor, patience, float(min_delta), mode
        self.restore_best = restore_best

    def on_epoch_end(self, run: Training) -> None:
        if run.epoch - (run.history.best_epoch or 0) >= self.patience:
            run.stop()


class Checkpoint(Callback):
    """Save the model after every epoch that is the best so far. See `koubai.save`."""

    def __init__(self, path: Any) -> None:
        self.path = path

    def on_epoch_end(self, run: Training) -> None:
        from koubai.train.files import save

        if run.improved:
            save(run.model, self.path)


class _Told(Callback):
    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def on_epoch_end(self, run: Training) -> None:
        self.function(run)


def as_callbacks(callbacks: Any, early_stopping: Any) -> list[Callback]:
    """The callbacks of a training, functions wrapped, early stopping last."""
    if isinstance(callbacks, Callback) or callable(callbacks):
        callbacks = [callbacks]
    elif not isinstance(callbacks, Iterable | None):
        raise DTypeError(f"fit: callbacks: expected a Callback, a function, or several, got {type(callbacks).__name__}")
    given = list(callbacks or ())
    if isinstance(early_stopping, bool) and early_stopping:
        given.append(EarlyStopping())
    elif isinstance(early_stopping, EarlyStopping):
        given.append(early_stopping)
    elif early_stopping:
        given.append(EarlyStopping(patience=early_stopping))
    found: list[Callback] = []
    for callback in given:
        if isinstance(callback, Callback):
            found.append(callback)
        elif callable(callback) and not isinstance(callback, type):
            found.append(_Told(callback))
        else:
            raise DTypeError(
                f"fit: a callback must be a kb.train.Callback or a function, got {callback!r}"
                + ("; make an object of the class: add ()" if isinstance(callback, type) else "")
            )
    return found
