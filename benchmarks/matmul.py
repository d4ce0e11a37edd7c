"""Matrix products: a compiled function of one product, beside torch.mm, call by call.

Both sides make a new array for each result. For small products the calls themselves count, so they are also
timed as 64 products in one compiled function, which is how a training step has them, beside 64 calls of torch.mm.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
from peers import Unavailable
from report import Goal, Sheet, number
from turns import Options, calls, in_turn

# Rows, inner length, columns of the result; and which factor is handed over transposed.
LARGE = (
    (128, 128, 128, ""), (256, 256, 256, ""), (512, 512, 512, ""), (1024, 1024, 1024, ""), (2048, 2048, 2048, ""),
    (128, 784, 128, ""), (784, 128, 128, "a"), (128, 128, 784, "b"),
    (256, 784, 1024, ""), (784, 256, 1024, "a"), (256, 1024, 784, "b"),
    (256, 1024, 1024, ""), (1024, 256, 1024, "a"), (256, 1024, 1024, "b"),
    (2048, 128, 2048, ""), (128, 2048, 128, "a"), (2048, 512, 256, "b"),
    (1000, 1000, 1000, ""), (257, 513, 129, "a"), (500, 300, 700, "b"),
)  # fmt: skip
SMALL = (
    (8, 8, 8, ""), (16, 16, 16, ""), (32, 32, 32, ""), (64, 64, 64, ""),
    (32, 64, 32, ""), (64, 32, 32, "a"), (32, 10, 32, "b"), (32, 32, 10, ""),
)  # fmt: skip
MANY = 64
Shape = tuple[int, int, int, str]


def measure(options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, shapes, count in (("large", LARGE, 1), ("small", SMALL, 1), ("small, many", SMALL, MANY)):
        say(f"{kind} products")
        found[kind] = {_name(shape): _one(shape, count, options) for shape in shapes}
    return found


def _one(shape: Shape, count: int, options: Options) -> dict[str, list[float]]:
    """Turn by turn, 10^9 operations a second."""
    n, k, m, _ = shape
    runs = {}
    for name, make in (("koubai", _koubai), ("PyTorch", _torch)):
        if name in options.sides:
            try:
                runs[name] = calls(make(shape, count, options.threads), options.seconds / 4)
            except Unavailable:
                continue
    times = in_turn(runs, options.repeats)
    return {name: [2e-9 * n * k * m * count / t for t in row] for name, row in times.items()}


def _name(shape: Shape) -> str:
    n, k, m, transposed = shape
    product = {"": "a @ b", "a": "a.T @ b", "b": "a @ b.T"}[transposed]
    return f"{n} x {k} x {m}, {product}"


def _factors(shape: Shape, count: int) -> list[tuple[Any, Any]]:
    n, k, m, transposed = shape
    rng = np.random.default_rng(0)
    a, b = ((k, n) if transposed == "a" else (n, k)), ((m, k) if transposed == "b" else (k, m))
    return [(rng.random(a, np.float32), rng.random(b, np.float32)) for _ in range(count)]


def _product(a: Any, b: Any, transposed: str, matmul: Callable[[Any, Any], Any]) -> Any:
    return matmul(a.T if transposed == "a" else a, b.T if transposed == "b" else b)


def _koubai(shape: Shape, count: int, threads: int) -> Callable[[], Any]:
    import koubai as kb

    if hasattr(kb, "set_num_threads"):
        kb.set_num_threads(threads)
    pairs = _factors(shape, count)
    if count == 1:
        ((a, b),) = pairs
        one = kb.compile(lambda a, b: _product(a, b, shape[3], lambda p, q: p @ q))
        expected = _product(a, b, shape[3], np.matmul)
        np.testing.assert_allclose(one(a, b), expected, rtol=1e-4)
        return lambda: one(a, b)
    many = kb.compile(lambda pairs: [_product(a, b, shape[3], lambda p, q: p @ q) for a, b in pairs])
    return lambda: many(pairs)


def _torch(shape: Shape, count: int, threads: int) -> Callable[[], Any]:
    try:
        import torch
    except ImportError:
        raise Unavailable("not installed") from None
    torch.set_num_threads(threads)
    pairs = [(torch.from_numpy(a), torch.from_numpy(b)) for a, b in _factors(shape, count)]
    if count == 1:
        ((a, b),) = pairs
        return lambda: _product(a, b, shape[3], torch.mm)
    return lambda: [_product(a, b, shape[3], torch.mm) for a, b in pairs]


def sheets(found: dict[str, Any]) -> list[Sheet]:
    titles = {
        "large": "Matrix products, 10⁹ operations a second",
        "small": "Small matrix products, call by call, 10⁹ operations a second",
        "small, many": f"Small matrix products, {MANY} in one compiled function, 10⁹ operations a second",
    }
    listed = []
    for kind, rows in found.items():
        sheet = Sheet(titles[kind], ["product", "koubai", "PyTorch", "koubai's rate in PyTorch's"])
        for name, rates in rows.items():
            both = [statistics.median(rates[side]) if side in rates else None for side in ("koubai", "PyTorch")]
            sheet.rows.append([name, *map(number, both), number(_share(rates))])
        listed.append(sheet)
    return listed


def _share(rates: dict[str, list[float]]) -> float | None:
    if len(rates) < 2:
        return None
    return statistics.median(rates["koubai"]) / statistics.median(rates["PyTorch"])


def goals(found: dict[str, Any]) -> list[Goal]:
    shares = {kind: [s for s in map(_share, rows.values()) if s is not None] for kind, rows in found.items()}

    def of(kind: str, pick: Callable[[list[float]], float]) -> float | None:
        return pick(shares[kind]) if shares[kind] else None

    return [
        Goal("20 large products: median rate in torch.mm's", 0.95, of("large", statistics.median)),
        Goal("20 large products: least rate in torch.mm's", 0.88, of("large", min)),
        Goal("small products, call by call: least rate in torch.mm's", 2, of("small", min)),
        Goal("small products, many in one function: least rate in torch.mm's", 2, of("small, many", min)),
    ]
