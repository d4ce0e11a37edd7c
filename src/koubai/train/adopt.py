"""What callbacks did to the model while they had it: weights that they assigned, parameters that they unfroze."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from koubai.errors import UsageError
from koubai.train.step import State, Step

__all__ = ["Held"]


class Held:
    """What a model holds before callbacks are told something.

    Parameters
    ----------
    step : Step
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._params = {name: p.value for name, p in step.trained.items()}
        self._buffers = step.buffers()

    def adopted(self, kept: Callable[[], State]) -> State | None:
        """The state to go on from, if callbacks assigned weights or unfroze some; None if they did not.

        Parameters
        ----------
        kept : callable
            Gives the state of the training.

        Raises
        ------
        UsageError
            If a parameter or buffer was replaced by another object, or took another shape or dtype.
        """
        step = self._step
        fresh = self._unfrozen()
        params = {name: p.value for name, p in step.trained.items() if p.value is not self._params[name]}
        buffers = {name: x for name, x in step.buffers().items() if x is not self._buffers[name]}
        if not (fresh or params or buffers):
            return None
        state = kept()
        for name, x in (params | buffers).items():
            old = state.params[name] if name in params else state.buffers[name]
            if (x.shape, x.dtype) != (old.shape, old.dtype):
                raise UsageError(
                    f"fit: a callback made {name} an array of {x.dtype} {x.shape}, it was of {old.dtype} {old.shape}; "
                    f"end the training with run.stop(), change the model afterwards and call fit again"
                )
        memory = state.optimizer
        if fresh:
            step.trained |= fresh
            values = {name: p.value for name, p in fresh.items()}
            memory, params = step.optimizer.extended(memory, values), params | values
        return State(state.params | params, state.buffers | buffers, memory)

    def _unfrozen(self) -> dict[str, Any]:
        """Parameters that are to be trained from now on, by path."""
        step = self._step
        present = dict(step.model.named_parameters())
        others = [name for name, p in present.items() if step.known.get(name) is not p]
        others += [name for name in step.known if name not in present]
        owners = dict(step.model.named_modules())
        others += [name for name, owner, _ in step.buffered if owners.get(name.rpartition(".")[0]) is not owner]
        if others:
            raise UsageError(
                f"fit: a callback replaced, added or removed {others[0]} while the model was trained; assign values "
                f"(parameter.assign(array)), or end the training with run.stop() and call fit again"
            )
        return {name: p for name, p in present.items() if p.requires_grad and name not in step.trained}
