"""koubai: one call of kb.fit."""

from __future__ import annotations

from typing import Any

from works import Conv, Dense, Weights, Work

import koubai as kb
from peers import Unavailable

ACTIVATIONS = {"relu": "ReLU", "tanh": "Tanh"}


class Koubai:
    """Every fit is compiled, however short, so that what is compared and timed is what a long training runs."""

    def __init__(self, work: Work, threads: int) -> None:
        if hasattr(kb, "set_num_threads"):
            kb.set_num_threads(threads)
        self.work = work
        self.model = _model(work)
        names = self.model.state_dict()
        self.start = dict(zip(names, work.start(), strict=True))

    def begin(self) -> None:
        self.model.load_state_dict(self.start)

    def train(self, epochs: int) -> None:
        groups = {"*.weight": {"weight_decay": self.work.l2}} if self.work.l2 else None
        kb.fit(
            self.model,
            (self.work.x, self.work.t),
            loss=self.work.loss,
            optimizer=kb.optim.Adam(groups=groups),
            epochs=epochs,
            batch_size=self.work.batch,
            shuffle=False,
            check=False,
            progress=False,
            compile="always",
        )

    def weights(self) -> Weights:
        return list(self.model.state_dict().values())


def _model(work: Work) -> Any:
    layers: list[Any] = []
    for before, layer in zip((None, *work.layers), work.layers):
        if isinstance(layer, Conv):
            layers += _convolution(layer)
            continue
        if isinstance(before, Conv):
            layers.append(kb.nn.Flatten())
        layers += _dense(layer)
    return kb.nn.Sequential(*layers)


def _dense(layer: Dense) -> list[Any]:
    linear = kb.nn.Linear(layer.inputs, layer.outputs)
    return [linear] if layer.activation is None else [linear, getattr(kb.nn, ACTIVATIONS[layer.activation])()]


def _convolution(layer: Conv) -> list[Any]:
    for name in ("Conv2d", "MaxPool2d"):
        if not hasattr(kb.nn, name):
            raise Unavailable(f"koubai has no kb.nn.{name} yet")
    convolution = kb.nn.Conv2d(layer.inputs, layer.outputs, layer.kernel, padding=layer.padding)
    return [convolution, kb.nn.ReLU(), kb.nn.MaxPool2d(2)]
