"""The works: networks with their data, start weights and targets, the same for every side."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Weights = list[Array]  # weight and bias of each layer in turn


@dataclass(frozen=True)
class Dense:
    """``u = x W + b`` with W of shape (inputs, outputs), then the activation."""

    inputs: int
    outputs: int
    activation: str | None = None


@dataclass(frozen=True)
class Conv:
    """Convolution with W of shape (outputs, inputs, kernel, kernel), then relu, then the maximum of 2 by 2."""

    inputs: int
    outputs: int
    kernel: int
    padding: int


Layer = Dense | Conv


@dataclass(frozen=True)
class Work:
    """What is trained, by Adam with PyTorch's defaults, on batches taken in the order of the rows.

    Attributes
    ----------
    loss : "cross_entropy" or "binary_cross_entropy"
        Both from logits.
    l2 : float
        Added to the gradient of every weight, times the weight (not of the biases).
    targets : dict from side to number
        How many times koubai's time is to go into the side's.
    compared : tuple of int
        After how many epochs the losses are compared; early, since training magnifies rounding.
    """

    name: str
    layers: tuple[Layer, ...]
    loss: str
    batch: int
    x: Array
    t: Array
    l2: float = 0.0
    targets: dict[str, float] = field(default_factory=dict)
    compared: tuple[int, ...] = (1,)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return len(self.x) // self.batch

    def start(self) -> Weights:
        """The start weights: uniform within 1/sqrt(fan in)."""
        rng, weights = np.random.default_rng(0), []
        for layer in self.layers:
            shape: tuple[int, ...] = (layer.inputs, layer.outputs)
            fan_in = layer.inputs
            if isinstance(layer, Conv):
                shape = (layer.outputs, layer.inputs, layer.kernel, layer.kernel)
                fan_in *= layer.kernel**2
            bound = 1.0 / math.sqrt(fan_in)
            weights += [rng.uniform(-bound, bound, s).astype(np.float32) for s in (shape, (layer.outputs,))]
        return weights


def dense(sizes: str, activation: str = "relu") -> tuple[Layer, ...]:
    """The layers of a network written as ``"784-128-10"``."""
    *hidden, last = pairwise(int(size) for size in sizes.split("-"))
    return (*(Dense(a, b, activation) for a, b in hidden), Dense(*last))


LENET = (Conv(1, 6, 5, 2), Conv(6, 16, 5, 0), Dense(400, 120, "relu"), Dense(120, 84, "relu"), Dense(84, 10))


NAMES = ("2-4-1 tanh", "64-32-10", "784-128-10", "784-1024-1024-10", "LeNet-5", "784-100-10")


def work(name: str, mnist: Path | None = None) -> Work:
    """The work of this name.

    Parameters
    ----------
    mnist : Path, optional
        A folder of IDX files. Without it, random pictures of the same shape, on which a step takes as long.
    """
    if name == "2-4-1 tanh":
        loss, targets = "binary_cross_entropy", _targets(100, 4)
        return Work(name, dense("2-4-1", "tanh"), loss, 400, *rings(400), targets=targets, compared=(1, 100))
    if name == "64-32-10":
        return Work(name, dense(name), "cross_entropy", 32, *digits(), targets=_targets(40, 2.5))
    if name == "784-100-10":
        l2 = 1e-4 / 200  # MLPClassifier's alpha, which it divides by the batch
        return Work(name, dense(name), "cross_entropy", 200, *_pictures(60_000, mnist), l2, {"scikit-learn": 4.0})
    if name == "LeNet-5":
        x, t = _pictures(64 * 20, mnist)
        return Work(name, LENET, "cross_entropy", 64, x.reshape(-1, 1, 28, 28), t, targets=_targets(4, 10))
    if name == "784-128-10":
        return Work(name, dense(name), "cross_entropy", 128, *_pictures(128 * 100, mnist), targets=_targets(3, 2))
    x, t = _pictures(256 * 10, mnist)
    return Work(name, dense(name), "cross_entropy", 256, x, t, targets=_targets(1.3, 1.2), compared=(1, 2))


def _targets(torch: float, jax: float) -> dict[str, float]:
    return {"PyTorch": float(torch), "JAX jit+scan": float(jax)}


def rings(n: int) -> tuple[Array, Array]:
    """Two rings with noise, so that the loss does not fall to zero however long the training."""
    rng = np.random.default_rng(1)
    t = np.arange(n) % 2
    angle, radius = rng.uniform(0, 2 * np.pi, n), 0.6 + 0.6 * t + 0.2 * rng.standard_normal(n)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return x.astype(np.float32), t[:, None].astype(np.float32)


def digits() -> tuple[Array, Array]:
    """The bundled digits in whole batches of 32."""
    import koubai as kb

    data = kb.data.load("digits")
    rows = len(data.x) // 32 * 32
    return np.ascontiguousarray(data.x[:rows], np.float32), data.t[:rows].astype(np.int64)


def _pictures(n: int, mnist: Path | None) -> tuple[Array, Array]:
    if mnist is None:
        return pictures(n, 784)
    import koubai as kb

    train, _ = kb.data.read_idx(mnist)
    return train.x[:n].copy(), train.t[:n].copy()


def pictures(n: int, pixels: int) -> tuple[Array, Array]:
    """Random pictures, four fifths of each black, with labels that a network can learn."""
    rng = np.random.default_rng(2)
    x = np.maximum(rng.random((n, pixels), np.float32) - np.float32(0.8), 0) * np.float32(5)
    scores = x @ rng.standard_normal((pixels, 10)).astype(np.float32)
    return x, (scores - scores.mean(axis=0)).argmax(axis=1)
