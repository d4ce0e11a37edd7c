"""A model's outputs for many rows: in batches, compiled where that is worth it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from warnings import warn

import numpy as np

from koubai.nn import Module
from koubai.tensor import compile

__all__ = ["Predictor", "outputs_of"]

Array = np.ndarray[Any, Any]
BATCH = 1024
WORTH_COMPILING = 0.1  # seconds of interpreted work


class Predictor:
    """``predictor(x)`` is ``model.predict(x)``, in batches that bound the memory.

    Parameters
    ----------
    model : Module
        Its present parameters count at every call.
    rows : int
        How many examples it will be called with in all. Where these take long, batches are compiled; the
        result then does not depend on the number of threads.
    batch_size : int
    """

    def __init__(self, model: Module, rows: int, batch_size: int = BATCH) -> None:
        self.model, self.batch_size = model, batch_size
        self._run: Callable[[Any], Any] = model.predict
        parameters = sum(p.size for p in model.parameters())
        if rows * parameters * 2 / 2e10 + rows / batch_size * 2e-4 > WORTH_COMPILING:
            self._compiled = compile(lambda x: model(x))
            self._run = self._native

    def __call__(self, x: Array) -> Array:
        size = self.batch_size
        first = np.asarray(self._run(x[:size]))
        if len(x) <= size:
            return first
        y = np.empty((len(x), *first.shape[1:]), first.dtype)
        y[:size] = first
        for start in range(size, len(x), size):
            y[start : start + size] = self._run(x[start : start + size])
        return y

    def _native(self, x: Array) -> Any:
        model = self.model
        try:
            with model.evaluating():
                return self._compiled(x.astype(model.input_dtype(x.dtype), copy=False))
        except Exception as error:  # the interpreter gives the same numbers, or the better message
            self._run = model.predict
            result = model.predict(x)
            warn(f"the model is interpreted, since it could not be compiled: {error}", stacklevel=4)
            return result


def outputs_of(model: Module, x: Array, batch_size: int = BATCH) -> Array:
    """The model's outputs for all rows, in eval mode."""
    return Predictor(model, len(x), batch_size)(x)
