"""NumPy: forward, backward and Adam written out, as one would by hand. In float64 it is the reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from works import Array, Conv, Dense, Weights, Work


class ByHand:
    """The parameters are views of one vector, so that Adam takes a few calls for all of them.

    `eps_first`: whether Adam adds eps to the second moment's root before that is corrected for its start, as
    scikit-learn does.
    """

    def __init__(self, work: Work, threads: int, dtype: Any = np.float32, eps_first: bool = False) -> None:
        self.work, self.eps_first = work, eps_first
        self.x = work.x.astype(dtype, copy=False)
        self.t = work.t.astype(dtype, copy=False) if work.t.dtype.kind == "f" else work.t
        self.first = work.start()
        self.vector = np.zeros(sum(w.size for w in self.first), dtype)
        self.gradient = np.zeros_like(self.vector)
        self.decay = np.zeros_like(self.vector)
        self.params, self.grads, decays = (_views(v, self.first) for v in (self.vector, self.gradient, self.decay))
        for decay in decays[::2]:
            decay[...] = work.l2

    def put(self, weights: Weights) -> None:
        for param, value in zip(self.params, weights):
            param[...] = value

    def begin(self) -> None:
        self.put(self.first)
        self.m, self.v, self.step = np.zeros_like(self.vector), np.zeros_like(self.vector), 0

    def train(self, epochs: int) -> None:
        batch, losses = self.work.batch, []
        for _ in range(epochs):
            for start in range(0, len(self.x), batch):
                losses.append(self._gradient(self.x[start : start + batch], self.t[start : start + batch]))
                self._adam()

    def weights(self) -> Weights:
        return [param.copy() for param in self.params]

    def loss(self, rows: int) -> float:
        """The mean loss of the first examples."""
        y = self.x[:rows]
        for k, layer in enumerate(self.work.layers):
            y, _ = _forward(layer, y, *self.params[2 * k : 2 * k + 2])
        value, _ = LOSSES[self.work.loss](y, self.t[:rows])
        return value

    def _gradient(self, y: Array, t: Array) -> float:
        kept = []
        for k, layer in enumerate(self.work.layers):
            y, seen = _forward(layer, y, *self.params[2 * k : 2 * k + 2])
            kept.append(seen)
        value, dy = LOSSES[self.work.loss](y, t)
        for k in reversed(range(len(kept))):
            dw, db = self.grads[2 * k : 2 * k + 2]
            dy = _backward(self.work.layers[k], dy, kept[k], self.params[2 * k], dw, db, first=k == 0)
        if self.work.l2:
            self.gradient += self.decay * self.vector
        return value

    def _adam(self) -> None:
        self.step += 1
        g, m, v = self.gradient, self.m, self.v
        m *= 0.9
        m += 0.1 * g
        v *= 0.999
        g *= g
        v += 0.001 * g
        root = math.sqrt(1.0 - 0.999**self.step)
        scale = np.sqrt(v)
        scale *= 1.0 / root
        scale += 1e-8 / root if self.eps_first else 1e-8
        np.divide(m, scale, out=scale)
        scale *= 1e-3 / (1.0 - 0.9**self.step)
        self.vector -= scale


def _views(vector: Array, shapes: Weights) -> Weights:
    views, place = [], 0
    for w in shapes:
        views.append(vector[place : place + w.size].reshape(w.shape))
        place += w.size
    return views


def _forward(layer: Any, x: Array, w: Array, b: Array) -> tuple[Array, tuple[Array, ...]]:
    """The layer's output, and what its backward pass needs."""
    if isinstance(layer, Conv):
        return _convolve(layer, x, w, b)
    shape = x.shape
    x = x.reshape(len(x), -1)
    y = x @ w
    y += b
    if layer.activation == "relu":
        np.maximum(y, 0, out=y)
    elif layer.activation == "tanh":
        np.tanh(y, out=y)
    return y, (x, y, np.array(shape))


def _backward(layer: Any, dy: Array, kept: Any, w: Array, dw: Array, db: Array, first: bool) -> Array:
    """Write the gradients of weight and bias; return that of the input, unless it is the data."""
    if isinstance(layer, Conv):
        return _convolve_back(layer, dy, kept, w, dw, db, first)
    x, y, shape = kept
    assert isinstance(layer, Dense)
    if layer.activation == "relu":
        dy *= y > 0
    elif layer.activation == "tanh":
        dy *= 1 - y * y
    np.matmul(x.T, dy, out=dw)
    dy.sum(axis=0, out=db)
    return dy if first else (dy @ w.T).reshape(shape)


def _convolve(layer: Conv, x: Array, w: Array, b: Array) -> tuple[Array, tuple[Array, ...]]:
    """As a matrix product: every place under the kernel is a row of `columns`."""
    k, p = layer.kernel, layer.padding
    padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p))) if p else x
    places = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(2, 3))
    n, _, rows, cols = places.shape[:4]
    columns = places.transpose(0, 2, 3, 1, 4, 5).reshape(n * rows * cols, -1)
    y = columns @ w.reshape(len(w), -1).T
    y += b
    np.maximum(y, 0, out=y)
    fours = y.reshape(n, rows // 2, 2, cols // 2, 2, -1).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 4)
    chosen = fours.argmax(axis=1)
    pooled = fours[np.arange(len(fours)), chosen]
    out = pooled.reshape(n, rows // 2, cols // 2, -1).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(out), (columns, chosen, pooled, np.array(padded.shape))


def _convolve_back(layer: Conv, dy: Array, kept: Any, w: Array, dw: Array, db: Array, first: bool) -> Array:
    columns, chosen, pooled, shape = kept
    n, channels, rows, cols = dy.shape
    fours = np.zeros((len(chosen), 4), dy.dtype)
    fours[np.arange(len(chosen)), chosen] = dy.transpose(0, 2, 3, 1).reshape(-1) * (pooled > 0)
    du = fours.reshape(n, rows, cols, channels, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(-1, channels)
    dw[...] = (du.T @ columns).reshape(w.shape)
    du.sum(axis=0, out=db)
    if first:
        return dy
    k, p = layer.kernel, layer.padding
    under = (du @ w.reshape(len(w), -1)).reshape(n, 2 * rows, 2 * cols, -1, k, k).transpose(4, 5, 0, 3, 1, 2)
    dx = np.zeros(shape, dy.dtype)
    for i in range(k):
        for j in range(k):
            dx[:, :, i : i + 2 * rows, j : j + 2 * cols] += under[i, j]
    return dx[:, :, p : shape[2] - p, p : shape[3] - p]


def _cross_entropy(y: Array, t: Array) -> tuple[float, Array]:
    rows = np.arange(len(t))
    y = y - y.max(axis=1, keepdims=True)
    e = np.exp(y)
    total = e.sum(axis=1, keepdims=True)
    value = float((np.log(total[:, 0]) - y[rows, t]).mean())
    e /= total
    e[rows, t] -= 1
    e /= len(t)
    return value, e


def _binary_cross_entropy(y: Array, t: Array) -> tuple[float, Array]:
    small = np.exp(-np.abs(y))
    value = float((np.maximum(y, 0) - y * t + np.log1p(small)).mean())
    probability = np.where(y >= 0, 1, small) / (1 + small)
    return value, (probability - t) / len(t)


LOSSES = {"cross_entropy": _cross_entropy, "binary_cross_entropy": _binary_cross_entropy}
