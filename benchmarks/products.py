"""How fast the generated matrix products are, beside PyTorch's and NumPy's.

    python benchmarks/products.py [large | small] [--threads 2] [--json]

For each shape, in float32: GFLOP/s of the generated code and its ratio to ``torch.mm`` and to ``numpy.matmul``, timed
in turn; the fastest tenth of the repeats (on one thread: of their CPU time), so that other work on the machine
disturbs little.
Generated code is called in a native loop, as the compiler calls it; the libraries are called from Python, as programs
call them. ``ms`` is what it takes to write and compile the code. Limits: large ones reach 0.95 times PyTorch's rate in
the median and 0.88 each, small ones twice its rate each.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable

import numpy as np

from koubai.compile.llvm import Module, Value, host
from koubai.compile.llvm.engine import Code
from koubai.compile.product import Product, write_product

# n, k, m and which of A, B, C are stored transposed.
LARGE = [
    (128, 128, 128, ""),
    (128, 784, 100, ""),
    (128, 784, 128, ""),
    (784, 128, 100, "A"),
    (784, 128, 128, "A"),
    (200, 784, 100, ""),
    (784, 200, 100, "A"),
    (256, 256, 256, ""),
    (256, 256, 256, "B"),
    (512, 512, 512, ""),
    (256, 1024, 784, ""),
    (256, 784, 1024, ""),
    (784, 256, 1024, "A"),
    (1024, 256, 1024, "A"),
    (256, 1024, 1024, "B"),
    (1024, 256, 1024, "C"),
    (1000, 777, 300, ""),
    (1024, 1024, 1024, ""),
    (1024, 1024, 1024, "AB"),
    (2048, 2048, 2048, ""),
]
SMALL = [
    (32, 64, 32, ""),
    (32, 32, 10, ""),
    (64, 32, 32, "A"),
    (32, 32, 10, "A"),
    (32, 10, 32, "B"),
    (400, 2, 4, ""),
    (2, 400, 4, "A"),
    (400, 4, 1, ""),
    (4, 400, 1, "A"),
    (400, 1, 4, ""),
    (1, 64, 64, ""),
    (1, 64, 64, "B"),
    (64, 64, 1, ""),
    (64, 64, 64, ""),
    (64, 64, 64, "B"),
    (64, 64, 64, "AC"),
    (13, 17, 37, ""),
    (50, 50, 10, ""),
    (16, 4, 60, ""),
    (60, 60, 3, "A"),
]

Run = Callable[[int], None]
WORD = ctypes.c_int64


def driver(module: Module, product: Product, threads: int) -> None:
    """A function that computes the product some times over, as one of a team that meets at a spin barrier."""
    f = module.function(
        "drive", [*[("ptr", x) for x in ("a", "b", "c", "scratch", "met")], ("i64", "me"), ("i64", "times")]
    )
    a, b, c, scratch, met, me, times = f.arguments
    target = f.variable(f.integer(0))
    with f.loop(0, times):
        for name, first, last in product.phases:
            bounds = []
            for who in (me, f.add(me, f.integer(1))):
                part = f.binary("sdiv", f.mul(who, f.integer(last - first)), f.integer(threads))
                bounds.append(f.add(part, f.integer(first)))
            f.line(f"call void @{name}({', '.join(map(repr, (a, b, c, scratch, *bounds)))}) noinline")
            if threads > 1:
                f.store(f.add(f.load(target, "i64"), f.integer(threads)), target)
                f.line(f"{'%' + f.fresh()} = atomicrmw add ptr {met.text}, i64 1 seq_cst")
                spin, done = f.new_block("spin"), f.new_block("met")
                f.jump(spin)
                f.start(spin)
                f.line("%seen" + spin.label + f" = load atomic i64, ptr {met.text} seq_cst, align 8")
                wanted = f.load(target, "i64")
                f.branch(f.compare("sge", Value("%seen" + spin.label, "i64"), wanted), done, spin)
                f.start(done)
    f.ret()


def generated(a: np.ndarray, b: np.ndarray, c: np.ndarray, threads: int) -> Run:
    module = Module()
    strides = [tuple(s // x.itemsize for s in x.strides) for x in (a, b, c)]
    product = write_product(module, host(), "product", *a.shape, b.shape[1], a.dtype, *strides)
    driver(module, product, threads)
    code = Code(module.text())
    drive = code.function("drive", *[ctypes.c_void_p] * 5, WORD, WORD)
    size = product.scratch + 4096
    memory = np.zeros(size * threads + 64, np.uint8)
    start = memory.ctypes.data + -memory.ctypes.data % 64
    met = np.zeros(1, np.int64)

    def run(times: int) -> None:
        met[0] = 0
        team = []
        for me in range(threads):
            given = (*(x.ctypes.data for x in (a, b, c)), start + me * size, met.ctypes.data, me, times)
            team.append(threading.Thread(target=drive, args=given))
        for thread in team[1:]:
            thread.start()
        team[0].run()
        for thread in team[1:]:
            thread.join()

    run.kept = code, memory, met  # type: ignore[attr-defined]
    return run


def libraries(a: np.ndarray, b: np.ndarray, c: np.ndarray, threads: int) -> dict[str, Run]:
    def numpy_run(times: int) -> None:
        for _ in range(times):
            np.matmul(a, b, out=c)

    runs: dict[str, Run] = {"numpy": numpy_run}
    try:
        import torch
    except ImportError:
        return runs
    torch.set_num_threads(threads)
    x, y, out = (torch.from_numpy(z) for z in (a, b, c))

    def torch_run(times: int) -> None:
        for _ in range(times):
            torch.mm(x, y, out=out)

    return {"torch": torch_run, **runs}


def matrix(rows: int, columns: int, transposed: bool) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((rows, columns)).astype("float32")
    return np.asfortranarray(x) if transposed else x


def rates(n: int, k: int, m: int, layout: str, threads: int) -> tuple[dict[str, float], float]:
    """GFLOP/s by name, and the milliseconds that compiling took."""
    a, b, c = matrix(n, k, "A" in layout), matrix(k, m, "B" in layout), matrix(n, m, "C" in layout)
    begun = time.perf_counter()
    runs = {"koubai": generated(a, b, c, threads)}
    took = time.perf_counter() - begun
    runs |= libraries(a, b, c, threads)
    work = 2 * n * k * m
    times = max(1, round((2e7 if threads == 1 else 1e9) / max(work, 1e5)))
    clock = time.thread_time if threads == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(40 if work < 1e9 else 12):
        for name, run in runs.items():
            begun = clock()
            run(times)
            seconds[name].append((clock() - begun) / times)
    exact = a.astype("float64") @ b
    runs["koubai"](1)
    assert np.allclose(c, exact, atol=1e-3 * k**0.5)
    return {name: work / statistics.quantiles(s, n=10)[0] / 1e9 for name, s in seconds.items()}, took * 1e3


def measure(shapes: list[tuple[int, int, int, str]], threads: int) -> dict[str, dict[str, float]]:
    """The rates by shape; each line is printed to the error stream when it is known."""
    results = {}
    for n, k, m, layout in shapes:
        found, took = rates(n, k, m, layout, threads)
        name, mine = f"{n}x{k}x{m} {layout}".strip(), found["koubai"]
        others = "  ".join(f"{x} {y:6.1f} ({mine / y:5.2f}x)" for x, y in found.items() if x != "koubai")
        micros = 2e-3 * n * k * m / mine
        print(f"{name:18} {mine:6.1f} GFLOP/s {micros:9.2f} us  {others}  {took:5.1f} ms", file=sys.stderr, flush=True)
        results[name] = found
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("which", nargs="?", choices=["large", "small"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results = {}
    for which, shapes, limits in (("large", LARGE, (0.95, 0.88)), ("small", SMALL, (2, 2))):
        if given.which in (None, which):
            print(f"{which}, {given.threads} thread(s)", file=sys.stderr)
            results[which] = measure(shapes, given.threads)
            ratios = [found["koubai"] / found.get("torch", np.nan) for found in results[which].values()]
            print(
                f"times torch's rate: median {statistics.median(ratios):.2f} (limit {limits[0]}), "
                f"least {min(ratios):.2f} (limit {limits[1]})\n",
                file=sys.stderr,
            )
    if given.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
