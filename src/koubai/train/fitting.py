"""kb.fit and kb.evaluate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from koubai.errors import DTypeError, UsageError
from koubai.nn import Module
from koubai.train.arguments import checked, clipping, pure, refuse_loss
from koubai.train.callbacks import as_callbacks
from koubai.train.gradient_check import check_network
from koubai.train.history import History
from koubai.train.loop import Plan, Training
from koubai.train.metrics import Metric, loss_function, named_metrics, one_number
from koubai.train.predict import outputs_of
from koubai.train.prepare import A_FEW, aligned, as_pair, refuse_targets
from koubai.train.progress import progress_callbacks
from koubai.train.step import Step

__all__ = ["evaluate", "fit"]


def fit(
    model: Module,
    data: Any,
    *,
    loss: str | Callable[[Any, Any], Any],
    optimizer: Any = "adam",
    epochs: int = 10,
    batch_size: int = 32,
    validation_data: Any = None,
    metrics: Any = (),
    callbacks: Any = (),
    seed: int = 0,
    shuffle: bool = True,
    drop_last: bool = False,
    compile: bool | str = True,
    check: bool = True,
    progress: bool | None = None,
    clip: float | Callable[[Any], Any] | None = None,
    accumulate: int = 1,
    early_stopping: Any = None,
) -> History:
    """Train a model: its parameters follow the gradient of the loss, batch by batch.

    Parameters
    ----------
    model : Module
        Changed in place; training goes on from its present weights.
    data : (x, t), or a Dataset
        Examples along the first axis. x is cast to the model's dtype, and so is t unless it holds integers.
        Targets of shape (n,) are taken as (n, 1) where the outputs have that shape, and the other way round.
    loss : str or callable
        ``"cross_entropy"`` (logits and class numbers), ``"binary_cross_entropy"`` (logits and 0 or 1),
        ``"mse"``, ``"mae"``, ``"huber"``, another of `koubai.nn.losses`; or ``loss(outputs, targets)``, which
        returns a tensor with one element: the mean over the examples.
    optimizer : str or optimizer
        A name (``"adam"``, ``"sgd"``, ...) or an object of `koubai.optim`, whose learning rate may be a schedule.
        It starts afresh: nothing of an earlier training is remembered.
    epochs : int
        How many times all examples are seen.
    batch_size : int
        Examples an update; the last batch of an epoch may have fewer, unless `drop_last`.
    validation_data : (x, t), or a Dataset, optional
        Evaluated after every epoch; nothing is learnt from it.
    metrics : names or callables
        ``"accuracy"``, ``"r2"``, ``"mae"``, ``"mse"``, ``"rmse"``, a loss's name, or ``metric(outputs, targets)`` ->
        number, on arrays with all examples of the epoch as seen (and of the validation data, as ``val_...``).
    callbacks : Callback, function, or several of them
        See `koubai.train.Callback`; a function is called with the training after every epoch.
    seed : int
        Decides the order of the examples (with the number of the epoch). Weights and dropout follow the
        model's own seed.
    shuffle, drop_last : bool
    compile : bool or "always"
        Whether the steps may be compiled (docs/compiling.md). They are where the training would take longer than
        a tenth of a second, or always; where they cannot be, they are interpreted, with a warning and the same
        result but for rounding.
    check : bool
        Before the first step, compare backpropagation with numerical differentiation on 50 parameters of this
        network, in float64, and refuse to train where they differ.
    progress : bool, optional
        On stderr. None: at a terminal only. How much is shown depends on the terminal's width.
    clip : float or callable, optional
        The largest norm of all gradients together; or a function from a dict of gradients to one.
    accumulate : int
        Batches an update: their gradients are averaged over the examples, as in one large batch.
    early_stopping : EarlyStopping or int, optional
        An int is its `patience`.

    Returns
    -------
    History
        Also after Ctrl-C: the model then has its best weights so far (by validation loss, if there is
        validation data).

    Raises
    ------
    GradientError
        If the gradient is wrong.
    DataError, ShapeError, DTypeError, UsageError
        Before the first step, if data or arguments cannot be right.
    TrainingError
        If the loss stops being finite, with epoch and step; the model keeps its best weights so far.
        Any other error in a step says in which one it happened.

    Notes
    -----
    Compiled steps give the same bits for any number of threads. Interpreted ones take their matrix products from
    NumPy, whose BLAS may divide each among threads: its last bits depend on how many there are, and on a busy
    machine small products become slower with more. Set ``OPENBLAS_NUM_THREADS=1`` (``MKL_NUM_THREADS`` with MKL)
    before Python starts for the same bits everywhere; the command ``koubai train`` does.

    Examples
    --------
    >>> import koubai as kb
    >>> train, test = kb.data.split(kb.data.load("iris"))
    >>> scale = kb.data.Standardizer.fit(train.x)
    >>> model = kb.nn.Sequential(kb.nn.Linear(4, 16), kb.nn.Tanh(), kb.nn.Linear(16, 3))
    >>> history = kb.fit(model, (scale(train.x), train.t), loss="cross_entropy", optimizer="adam", epochs=60)
    >>> kb.evaluate(model, (scale(test.x), test.t), "accuracy") > 0.9
    True
    >>> history.grad_check.max_error < 1e-7
    True
    """
    if not isinstance(model, Module):
        raise DTypeError(f"fit: expected the model to be a kb.nn.Module, got {type(model).__name__}")
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("accumulate", accumulate)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise UsageError(f"fit: {name} must be a whole number from 1, got {value!r}")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise UsageError(f"fit: seed must be a whole number, got {seed!r}")
    if not any(p.requires_grad for p in model.parameters()):
        raise UsageError("fit: the model has no parameter to train; they are all frozen, or there are none")
    function = loss_function(loss)
    x, t, shape = checked(model, data, loss, "data")
    validation = None
    if validation_data is not None:
        *validation_pair, _ = checked(model, validation_data, loss, "validation_data")
        validation = (validation_pair[0], validation_pair[1])
    refuse_loss("fit", model, function, x, t)
    plan = Plan(
        int(epochs), int(batch_size), int(accumulate), int(seed), bool(shuffle), bool(drop_last),
        _beside_loss(metrics), validation, compile if compile == "always" else bool(compile),
    )  # fmt: skip
    step = Step(model, function, pure("fit", optimizer), x, t, clipping("fit", clip))
    hooks = [*as_callbacks(callbacks, early_stopping), *progress_callbacks(progress)]
    training = Training(step, plan, shape, hooks)
    if check:
        training.history.grad_check = check_network(model, function, x[:A_FEW], t[:A_FEW], seed=plan.seed)
    return training.run()


def _beside_loss(metrics: Any) -> dict[str, Metric]:
    named = named_metrics(() if metrics is None else metrics)
    if "loss" in named or "val_loss" in named:
        raise UsageError("fit: a metric may not be named 'loss', as the history's loss is; give its function a name")
    return named


def evaluate(model: Module, data: Any, measures: Any, *, batch_size: int = 1024) -> Any:
    """Loss or metrics of a model on data, in eval mode, without recording.

    Parameters
    ----------
    model : Module
    data : (x, t), or a Dataset
    measures : str, callable, or several of them
        Names as in `fit`'s `loss` and `metrics`.
    batch_size : int
        How many examples at once; the result does not depend on it.

    Returns
    -------
    float, or dict from name to float where several were asked for

    Examples
    --------
    >>> import numpy as np
    >>> import koubai as kb
    >>> model = kb.nn.Sequential(kb.nn.Flatten())
    >>> kb.evaluate(model, (np.eye(3), np.array([0, 1, 1])), "accuracy") == 2 / 3
    True
    """
    x, t = as_pair(data, model)
    y = outputs_of(model, x, batch_size)
    if isinstance(measures, str):
        refuse_targets(measures, y, t)
    t = aligned(t, y)
    found = {name: one_number(name, measure, y, t) for name, measure in named_metrics(measures).items()}
    if isinstance(measures, str) or callable(measures):
        return next(iter(found.values()))
    return found
