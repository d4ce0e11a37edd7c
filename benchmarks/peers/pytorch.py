"""PyTorch: eager, eager with its fused Adam, and torch.compile."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from works import Conv, Dense, Weights, Work

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


class Eager:
    """The usual loop: loss, backward, optimizer step; the losses are kept and read at the end."""

    fused: bool | None = None

    def __init__(self, work: Work, threads: int) -> None:
        torch.set_num_threads(threads)
        self.work = work
        self.model = _model(work)
        x, t = torch.from_numpy(work.x), torch.from_numpy(work.t)
        self.batches = list(zip(x.split(work.batch), t.split(work.batch)))
        self.criterion: Any = nn.CrossEntropyLoss() if work.loss == "cross_entropy" else nn.BCEWithLogitsLoss()
        self.start = [torch.from_numpy(w) for w in work.start()]

    def begin(self) -> None:
        params = list(self.model.parameters())
        with torch.no_grad():
            for param, value in zip(params, self.start):
                param.copy_(value.T if value.ndim == 2 else value)
        decayed: dict[str, Any] = {"params": params[::2], "weight_decay": self.work.l2}
        self.optimizer = torch.optim.Adam([decayed, {"params": params[1::2]}], lr=self.rate(), fused=self.fused)

    def rate(self) -> Any:
        return 1e-3

    def loss(self, x: Any, t: Any) -> Any:
        return self.criterion(self.model(x), t)

    def step(self) -> None:
        self.optimizer.step()

    def train(self, epochs: int) -> None:
        losses = []
        for _ in range(epochs):
            for x, t in self.batches:
                self.optimizer.zero_grad()
                loss = self.loss(x, t)
                loss.backward()
                self.step()
                losses.append(loss.detach())
        torch.stack(losses).tolist()

    def weights(self) -> Weights:
        return [(p.T if p.ndim == 2 else p).detach().numpy().copy() for p in self.model.parameters()]


class FusedAdam(Eager):
    fused = True


class Compiled(Eager):
    """Loss and gradient compiled as one, and the optimizer's step as another, with the rate as a tensor."""

    def __init__(self, work: Work, threads: int) -> None:
        super().__init__(work, threads)
        torch._dynamo.reset()  # otherwise the works before this one count towards its limit of recompilations
        self.loss = torch.compile(super().loss)  # type: ignore[method-assign]
        super().begin()
        self.step = torch.compile(self.optimizer.step)  # type: ignore[method-assign]

    def rate(self) -> Any:
        return torch.tensor(1e-3)

    def begin(self) -> None:
        """The optimizer is emptied, not made anew, since its compiled step belongs to it."""
        optimizer = self.optimizer
        super().begin()
        self.optimizer = optimizer
        for state in optimizer.state.values():
            for value in state.values():
                value.zero_()


def _model(work: Work) -> Any:
    layers: list[Any] = []
    for before, layer in zip((None, *work.layers), work.layers):
        if isinstance(layer, Conv):
            layers.append(nn.Conv2d(layer.inputs, layer.outputs, layer.kernel, padding=layer.padding))
            layers += [nn.ReLU(), nn.MaxPool2d(2)]
            continue
        if isinstance(before, Conv):
            layers.append(nn.Flatten())
        layers += _dense(layer)
    return nn.Sequential(*layers)


def _dense(layer: Dense) -> list[Any]:
    linear = nn.Linear(layer.inputs, layer.outputs)
    return [linear] if layer.activation is None else [linear, ACTIVATIONS[layer.activation]()]
