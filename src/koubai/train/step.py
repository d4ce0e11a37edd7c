"""One training step as a pure function, interpreted; what it changes, and an epoch under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from koubai.diff import gradients
from koubai.errors import KoubaiError, LabelError, TrainingError, UsageError
from koubai.nn import Module

__all__ = ["Pass", "State", "Step", "added", "place", "updates_of"]

Batch = tuple[int, int]  # from where to where in the epoch's order


def updates_of(n: int, batch_size: int, accumulate: int = 1, drop_last: bool = False) -> list[list[Batch]]:
    """The batches of an epoch of n examples, by the update of the weights to which they belong."""
    stop = n - n % batch_size if drop_last else n
    if stop == 0:
        raise UsageError(
            f"fit: drop_last leaves nothing, since there are {n} examples and batch_size is {batch_size}; lower "
            f"batch_size"
        )
    batches = [(start, min(start + batch_size, stop)) for start in range(0, stop, batch_size)]
    return [batches[k : k + accumulate] for k in range(0, len(batches), accumulate)]


@dataclass(frozen=True, slots=True)
class State:
    """Everything that a step changes. Its arrays are never written in, so that keeping one is free.

    Attributes
    ----------
    params, buffers : dict from path to array
    optimizer : what the optimizer remembers
    """

    params: dict[str, Any]
    buffers: dict[str, Any]
    optimizer: Any

    def kept(self) -> State:
        """What this state is now, also when training goes on."""
        return self


@dataclass(slots=True)
class Pass:
    """An epoch under way.

    Attributes
    ----------
    order : array of int
        The rows in the order of this epoch.
    updates : list of lists of batches
        The batches of each update of the weights; more than one with gradient accumulation.
    outputs : array or None
        Where the outputs are kept for the metrics, in the order in which they were seen.
    done : (State, float, int, int)
        The state, the sum of the examples' losses, their number, and the number of updates, after the last
        complete step. One tuple, so that an interruption never leaves half of it.
    epoch : int
        Its number, from 1.
    """

    order: Any
    updates: list[list[Batch]]
    outputs: Any
    done: tuple[Any, float, int, int]
    epoch: int = 1

    def rows(self, number: int) -> Any:
        """The data's rows in the order in which an update sees them; none where it sees them bit by bit."""
        batches = self.updates[number]
        return self.order[slice(*batches[0])] if len(batches) == 1 else self.order[:0]


class Step:
    """``step(state, batches) -> (state, sum of losses, number of examples)``, interpreted.

    Parameters
    ----------
    model : Module
        Holds the parameters of the state of the last step; nothing else is read from it.
    loss : callable
        ``loss(outputs, targets)`` -> tensor with one element, a mean over the examples.
    optimizer : Optimizer
    x, t : arrays
    clip : callable or None
        From the gradients to the clipped gradients.
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[[Any, Any], Any],
        optimizer: Any,
        x: Any,
        t: Any,
        clip: Callable[[Any], Any] | None,
    ) -> None:
        self.model, self.loss, self.optimizer, self.x, self.t, self.clip = model, loss, optimizer, x, t, clip
        self.known = dict(model.named_parameters())
        self.trained = {name: p for name, p in self.known.items() if p.requires_grad}
        modules = dict(model.named_modules())
        self.buffered = []
        for name, _ in model.named_buffers():
            owner, _, attribute = name.rpartition(".")
            self.buffered.append((name, modules[owner], attribute))

    def state(self) -> State:
        """The model's present parameters and buffers, with a fresh optimizer."""
        params = {name: p.value for name, p in self.trained.items()}
        return State(params, self.buffers(), self.optimizer.init(params))

    def bind(self, state: State) -> None:
        """Give the model the parameters and buffers of a state."""
        for name, value in state.params.items():
            self.trained[name].value = value
        for name, owner, attribute in self.buffered:
            if getattr(owner, attribute).value is not state.buffers[name]:
                setattr(owner, attribute, state.buffers[name])

    def buffers(self) -> dict[str, Any]:
        """The values of the model's buffers, by path."""
        return {name: getattr(owner, attribute).value for name, owner, attribute in self.buffered}

    def __call__(self, state: State, order: Any, batches: Sequence[Batch], outputs: Any) -> tuple[State, float, int]:
        self.bind(state)
        total, seen = 0.0, 0
        grads: dict[str, Any] = {}
        for start, stop in batches:
            rows = order[start:stop]
            y = self.model(self.x.take(rows, axis=0))
            loss = self.loss(y, self.t.take(rows, axis=0))
            count = stop - start
            total += float(loss.value) * count
            seen += count
            if outputs is not None:
                outputs[start:stop] = y.value
            leaves = gradients([loss], [loss.value.dtype.type(1)])
            found = {name: leaves[p] for name, p in self.trained.items() if p in leaves}
            grads = found if len(batches) == 1 else added(grads, found, count)
        if len(batches) > 1:
            grads = {name: g / g.dtype.type(seen) for name, g in grads.items()}
        if self.clip is not None:
            grads = self.clip(grads)
        params, memory = self.optimizer.update(grads, state.optimizer, state.params)
        return State(params, self.buffers() if self.buffered else state.buffers, memory), total, seen


def added(sums: dict[str, Any], found: dict[str, Any], count: int) -> dict[str, Any]:
    """Gradients summed with the number of examples of their batch as weight: those of one large batch."""
    weighted = {name: g * g.dtype.type(count) for name, g in found.items()}
    return {name: sums[name] + g if name in sums else g for name, g in weighted.items()} | {
        name: g for name, g in sums.items() if name not in weighted
    }


def place(error: Exception, work: Pass, epoch: int, number: int) -> None:
    """Let an error say that it happened in step `number` (from 0): in front if it is koubai's own, else in a note."""
    where = f"epoch {epoch}, step {number + 1}"
    if isinstance(error, LabelError) and error.row is not None:
        row, count = error.row
        rows = work.rows(number)
        where += f", row {rows[row]} of the data" if len(rows) == count else ", counting rows in the batch"
    if not isinstance(error, KoubaiError):
        error.add_note(f"(in {where} of the training)")
    elif not isinstance(error, TrainingError):  # which the training completes
        error.args = f"{where}: {error}", *error.args[1:]
