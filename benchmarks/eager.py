"""What an operation costs when it runs eagerly: forward and backward of a chain, beside other libraries.

    python benchmarks/eager.py

Chains of 2,000 operations alternate y = y * x and y = y + x, on scalars and on 64x64 arrays, in float64.
Libraries that are installed are timed in turn within one run; the figure is the median of the repeats, in
microseconds an operation, and its ratio to koubai's.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import koubai as kb

OPERATIONS = 2000
REPEATS = 15

Run = Callable[[np.ndarray], None]


def koubai_chain(start: np.ndarray) -> None:
    x = kb.tensor(start, requires_grad=True)
    y = x
    for _ in range(OPERATIONS // 2):
        y = y * x
        y = y + x
    y.backward(np.ones_like(start))


def torch_chain() -> Run:
    import torch

    torch.set_num_threads(1)

    def run(start: np.ndarray) -> None:
        x = torch.tensor(start, requires_grad=True)
        y = x
        for _ in range(OPERATIONS // 2):
            y = y * x
            y = y + x
        y.backward(torch.ones_like(x))

    return run


def autograd_chain() -> Run:
    import autograd

    def chain(x: np.ndarray) -> np.ndarray:
        y = x
        for _ in range(OPERATIONS // 2):
            y = y * x
            y = y + x
        return y

    def run(start: np.ndarray) -> None:
        pullback, _ = autograd.make_vjp(chain)(start)
        pullback(np.ones_like(start))

    return run


def installed() -> dict[str, Run]:
    """The libraries that can be timed here."""
    runs: dict[str, Run] = {"koubai": koubai_chain}
    for name, make in (("torch", torch_chain), ("autograd", autograd_chain)):
        try:
            runs[name] = make()
        except ImportError:
            print(f"{name} is not installed; left out", file=sys.stderr)
    return runs


def measure(start: np.ndarray, runs: dict[str, Run]) -> dict[str, float]:
    """Median microseconds an operation, the libraries in turn."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(start)
    for _ in range(REPEATS):
        for name, run in runs.items():
            gc.collect()
            begin = time.perf_counter()
            run(start)
            times[name].append((time.perf_counter() - begin) / OPERATIONS * 1e6)
    return {name: statistics.median(t) for name, t in times.items()}


def main() -> None:
    runs = installed()
    table = {
        "scalar": measure(np.array(0.5), runs),
        "64x64": measure(np.full((64, 64), 0.5), runs),
    }
    for case, row in table.items():
        for name, microseconds in row.items():
            ratio = microseconds / row["koubai"]
            print(f"{case:>8}  {name:<10} {microseconds:7.2f} us an operation   {ratio:5.2f} x koubai")
    if "--json" in sys.argv:
        print(json.dumps(table))


if __name__ == "__main__":
    main()
