"""How much a gradient costs, measured in evaluations of the function itself.

    python benchmarks/gradient_cost.py

Baur and Strassen (1983) bound the operations of a gradient by five times those of the function, for any
number of inputs. Here the time of `kb.grad` is divided by the time of the same function on plain arrays,
for functions made of large array operations: medians of interleaved repeats. The limit is 5.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import koubai as kb
import koubai.numpy as knp

REPEATS = 9
LIMIT = 5.0


def cases() -> dict[str, tuple[Callable[..., Any], np.ndarray]]:
    """Functions of one large array, by name."""
    rng = np.random.default_rng(0)
    square = rng.standard_normal((600, 600)) / 25
    tall = rng.standard_normal((400_000,))
    batch = rng.standard_normal((512, 784))
    labels = np.eye(10)[rng.integers(0, 10, 512)]
    second = rng.standard_normal((256, 10)) / 16
    stack = rng.standard_normal((64, 3, 40, 40))
    spd = square @ square.T + np.eye(600)

    def network(w: Any) -> Any:
        z = knp.tanh(batch @ w) @ second
        return -knp.sum(labels * (z - kb.special.logsumexp(z, axis=1, keepdims=True)))

    return {
        "matrix products": (lambda a: knp.sum(a @ (a @ a)), square),
        "elementwise chain": (lambda x: knp.sum(knp.exp(-knp.square(knp.sin(x))) * knp.cos(x)), tall),
        "arithmetic": (lambda x: knp.sum((x * x + 3.0 * x) / (1.0 + x * x)), tall),
        "reductions": (lambda x: knp.sum(knp.var(x, axis=0)) + knp.max(knp.mean(x, axis=1)), rng.random((600, 600))),
        "dense network": (network, rng.standard_normal((784, 256)) / 28),
        "slices and joins": (lambda x: knp.sum(knp.concatenate([x[:, :, 1:], x[:, :, :-1]], axis=2) ** 2), stack),
        "einsum": (lambda x: knp.sum(knp.einsum("nchw,ndhw->ncd", x, stack) ** 2), stack),
        "solve and log-determinant": (
            lambda a: knp.linalg.slogdet(spd + a)[1] + knp.sum(knp.linalg.solve(spd + a, square)), 0.01 * spd,
        ),
        "cholesky": (lambda a: knp.sum(knp.log(knp.diagonal(knp.linalg.cholesky(spd + a)))), 0.01 * spd),
        "fourier": (lambda x: knp.sum(knp.abs(knp.fft.rfft(x)) ** 2), tall),
        "sort": (lambda x: knp.sum(knp.sort(x) * np.arange(x.size)), tall),
    }  # fmt: skip


def measure(f: Callable[..., Any], x: np.ndarray) -> tuple[float, float]:
    """Median seconds of the function on plain arrays and of its gradient, taken in turn."""
    gradient = kb.grad(f)
    plain, differentiated = [], []
    f(x), gradient(x)
    for _ in range(REPEATS):
        for run, times in ((f, plain), (gradient, differentiated)):
            gc.collect()
            begin = time.perf_counter()
            run(x)
            times.append(time.perf_counter() - begin)
    return statistics.median(plain), statistics.median(differentiated)


def main() -> int:
    table = {}
    for name, (f, x) in cases().items():
        function, gradient = measure(f, x)
        table[name] = {"function_s": function, "gradient_s": gradient, "ratio": gradient / function}
        mark = "" if gradient <= LIMIT * function else f"  above the limit of {LIMIT:.0f}"
        print(f"{name:<28} function {function * 1e3:8.2f} ms   gradient {gradient / function:5.2f} x{mark}")
    if "--json" in sys.argv:
        print(json.dumps(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
