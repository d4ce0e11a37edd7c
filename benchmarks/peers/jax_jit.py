"""JAX: a jitted step called from Python, and epochs of steps under lax.scan in one jitted call."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from works import Conv, Layer, Weights, Work

State = tuple[Any, Any, Any, Any]  # parameters, both moments, the number of steps


class StepByStep:
    def __init__(self, work: Work, threads: int) -> None:
        self.work = work
        shape = (work.steps, work.batch)
        self.x: Any = jnp.asarray(work.x.reshape(*shape, *work.x.shape[1:]))
        self.t: Any = jnp.asarray(work.t.reshape(*shape, *work.t.shape[1:]))
        self.prepare()

    def prepare(self) -> None:
        self.step = jax.jit(_step(self.work), donate_argnums=0)
        self.batches = [jax.block_until_ready((x, t)) for x, t in zip(self.x, self.t)]
        self.x = self.t = None

    def begin(self) -> None:
        params = [jnp.array(w) for w in self.work.start()]
        m, v = ([jnp.zeros_like(p) for p in params] for _ in range(2))
        self.state: State = jax.block_until_ready((params, m, v, jnp.zeros((), jnp.float32)))

    def train(self, epochs: int) -> None:
        losses = []
        for _ in range(epochs):
            for batch in self.batches:
                self.state, loss = self.step(self.state, batch)
                losses.append(loss)
        jax.block_until_ready((self.state, losses))

    def weights(self) -> Weights:
        return [np.array(p) for p in self.state[0]]


class Scan(StepByStep):
    def prepare(self) -> None:
        step = _step(self.work)

        def run(state: State, x: Any, t: Any, epochs: Any) -> Any:
            """The losses of the last epoch are kept; how many epochs there are is no part of what is compiled."""
            last = jnp.zeros(self.work.steps, jnp.float32)
            return lax.fori_loop(0, epochs, lambda _, carry: lax.scan(step, carry[0], (x, t)), (state, last))

        self.run = jax.jit(run, donate_argnums=0)

    def train(self, epochs: int) -> None:
        self.state, _ = jax.block_until_ready(self.run(self.state, self.x, self.t, epochs))


def _step(work: Work) -> Any:
    def loss(params: Any, x: Any, t: Any) -> Any:
        y = _forward(work.layers, params, x)
        if work.loss == "binary_cross_entropy":
            return (jnp.maximum(y, 0) - y * t + jnp.log1p(jnp.exp(-jnp.abs(y)))).mean()
        return -jnp.take_along_axis(jax.nn.log_softmax(y), t[:, None], axis=1).mean()

    def step(state: State, batch: Any) -> tuple[State, Any]:
        params, m, v, count = state
        value, grads = jax.value_and_grad(loss)(params, *batch)
        if work.l2:
            grads = [g + work.l2 * p if k % 2 == 0 else g for k, (g, p) in enumerate(zip(grads, params))]
        count = count + 1
        m = [0.9 * a + 0.1 * g for a, g in zip(m, grads)]
        v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads)]
        # 1 - beta**count, without the digits that the subtraction would lose in float32
        first, second = (-jnp.expm1(count * math.log(beta)) for beta in (0.9, 0.999))
        rate, root = 1e-3 / first, jnp.sqrt(second)
        params = [p - rate * a / (jnp.sqrt(b) / root + 1e-8) for p, a, b in zip(params, m, v)]
        return (params, m, v, count), value

    return step


def _forward(layers: tuple[Layer, ...], params: Any, x: Any) -> Any:
    """Channels last and the maximum by reshaping: of the ways to write it, the fastest one on a CPU."""
    if x.ndim == 4:
        x = x.transpose(0, 2, 3, 1)
    for k, layer in enumerate(layers):
        w, b = params[2 * k : 2 * k + 2]
        if isinstance(layer, Conv):
            around = [(layer.padding, layer.padding)] * 2
            kernel = w.transpose(2, 3, 1, 0)
            x = lax.conv_general_dilated(x, kernel, (1, 1), around, dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.nn.relu(x + b)
            n, rows, cols, channels = x.shape
            x = x.reshape(n, rows // 2, 2, cols // 2, 2, channels).max((2, 4))
            continue
        if x.ndim == 4:
            x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
        x = x @ w + b
        if layer.activation:
            x = {"relu": jax.nn.relu, "tanh": jnp.tanh}[layer.activation](x)
    return x
