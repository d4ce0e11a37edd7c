"""A network of dense layers, explained layer by layer: six steps for the output layer, five for each hidden one.

Indices as in most textbooks: i counts the layer before, j a hidden layer, k the output layer; u is what goes into an
activation, y what comes out of it, E the error, and delta the gradient of u.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from koubai.explain.chain import acts_by_place
from koubai.explain.record import Record
from koubai.nn import Dropout, Identity, Linear, Module, Sequential
from koubai.tensor import Tensor

__all__ = ["DenseLayer", "dense_layers", "stand_alone"]


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """A linear layer and the activation behind it, with what they computed for one example.

    Attributes
    ----------
    path : str
        Of the linear layer.
    linear : Linear
    activation : Module or None
    before, u, y : Tensor
        What came in, what went into the activation, what came out; of shape (1, units).
    """

    path: str
    linear: Linear
    activation: Module | None
    before: Tensor
    u: Tensor
    y: Tensor

    @property
    def kind(self) -> str:
        """The activation's name."""
        return "" if self.activation is None else type(self.activation).__name__


def dense_layers(model: Module, x: Tensor) -> list[DenseLayer] | None:
    """The layers of a model that is a chain of dense layers and activations; None for other models.

    A module with a state (dropout in training) is no activation: it would not do the same to the same input again.
    """
    layers: list[DenseLayer] = []
    y = x
    for path, module in _leaves(model):
        before = y
        if isinstance(module, Linear):
            y = module(before)
            layers.append(DenseLayer(path, module, None, before, y, y))
        elif isinstance(module, Identity) or (isinstance(module, Dropout) and not module.training):
            continue
        elif layers and layers[-1].activation is None and not [*module.parameters(), *module.buffers()]:
            y = module(before)
            last = layers[-1]
            if y.shape != before.shape or not acts_by_place(before, y):
                return None
            layers[-1] = DenseLayer(last.path, last.linear, module, last.before, last.u, y)
        else:
            return None
    return layers or None


def stand_alone(layers: Sequence[DenseLayer], record: Record, inside_the_loss: bool) -> bool:
    """Whether the layers are all that there is: each weight is used once, and no activation is followed by another.

    Parameters
    ----------
    inside_the_loss : bool
        Whether the loss has an activation of its own.
    """
    weights = [p for layer in layers for p in (layer.linear.weight, layer.linear.bias) if isinstance(p, Tensor)]
    once = all(len(record[p].messages) <= 1 for p in weights) and len(set(weights)) == len(weights)
    return once and not (inside_the_loss and layers[-1].activation is not None)


def _leaves(model: Module) -> Iterator[tuple[str, Module]]:
    """The modules of a model that applies them one after the other; the model itself where it is another one."""
    waiting = [("", model)]
    while waiting:
        path, module = waiting.pop()
        if type(module) is Sequential:
            inner = [(f"{path}.{name}" if path else name, child) for name, child in module.named_children()]
            waiting.extend(reversed(inner))
        else:
            yield path, module
