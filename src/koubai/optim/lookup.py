"""Optimizers by name."""

from __future__ import annotations

from typing import Any

from koubai.errors import DTypeError, UsageError
from koubai.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from koubai.optim.adaptive import Adadelta, Adafactor, Adagrad, RMSprop
from koubai.optim.hyper import unknown
from koubai.optim.lbfgs import LBFGS
from koubai.optim.optimizer import Stepping
from koubai.optim.sgd import ASGD, SGD, Rprop

__all__ = ["get"]

_CLASSES: dict[str, type[Any]] = {
    kind.__name__.lower(): kind
    for kind in (
        SGD, ASGD, Rprop, Adagrad, Adadelta, RMSprop, Adafactor, Adam, AdamW, Adamax, NAdam, RAdam, LBFGS,
    )
}  # fmt: skip


def get(optimizer: Any, **options: Any) -> Any:
    """An optimizer by name, in upper or lower case; an optimizer is given back as it is.

    Parameters
    ----------
    optimizer : str or optimizer
    options
        Hyperparameters, when a name is given: ``get("adam", lr=0.01)``.

    Raises
    ------
    UsageError
        If no optimizer has this name; the message lists those there are.
    DTypeError
        If `optimizer` is neither a name nor an optimizer.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.optim.get("sgd", lr=0.1, momentum=0.9).options["momentum"]
    0.9
    """
    if not isinstance(optimizer, str):
        if not isinstance(optimizer, (Stepping, LBFGS)):
            raise DTypeError(
                f"optim.get: expected the name of an optimizer or an optimizer, got {type(optimizer).__name__}"
            )
        if options:
            raise UsageError(f"optim.get: {', '.join(options)} given beside an optimizer that has its own")
        return optimizer
    kind = _CLASSES.get(optimizer.lower())
    if kind is None:
        raise unknown("optim.get", "optimizer", optimizer, _CLASSES)
    try:
        return kind(**options)
    except TypeError as error:
        if isinstance(error, DTypeError):
            raise
        raise UsageError(f"optim.get: {kind.__name__}: {error}") from None
