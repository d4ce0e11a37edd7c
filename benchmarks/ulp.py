"""The errors of the vector functions, measured: every float32, and many float64, against wider arithmetic.

    python benchmarks/ulp.py                 # everything, in an hour; rewrites the table in docs/vector_math.md
    python benchmarks/ulp.py exp tanh        # some of them
    python benchmarks/ulp.py --step 61       # one float32 in 61; writes nothing

Each function is compiled for this processor and, on x86-64, for one without fused multiply-add too. Functions of two
numbers are sampled in both dtypes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from koubai.compile.llvm import host  # noqa: E402
from koubai.compile.llvm.machine import x86_64  # noqa: E402
from koubai.compile.math import functions  # noqa: E402
from vector_math_cases import CASES, Compiled, errors, exact, points  # noqa: E402

CHUNK = 2**20
KINDS = ("with fma", "without")
SAMPLES = {"float32": 2**26, "float64": 2**24}


def chunks(name: str, dtype: str, step: int) -> Iterator[tuple[Any, ...]]:
    """Every float32, in steps; otherwise samples."""
    if dtype == "float32" and CASES[name].second is None:
        for start in range(0, 2**32, CHUNK * step):
            bits = np.arange(start, min(start + CHUNK * step, 2**32), step, dtype=np.uint64)
            yield (bits.astype(np.uint32).view(np.float32),)
    else:
        for seed in range(max(SAMPLES[dtype] // (CHUNK * step), 1)):
            yield points(name, dtype, CHUNK, seed)


def worst(name: str, dtype: str, step: int) -> dict[str, tuple[float, Any]]:
    """The largest error of each kind of code, and where."""
    machines = {KINDS[not host().fma]: host()}
    if host().triple.startswith("x86_64"):
        machines[KINDS[1]] = x86_64()
    codes = {kind: Compiled(name, dtype, machine=machine) for kind, machine in machines.items()}
    found: dict[str, tuple[float, Any]] = dict.fromkeys(codes, (0.5, None))
    for xs in chunks(name, dtype, step):
        wide = exact(name, *xs)
        with np.errstate(all="ignore"):
            rounded = wide.astype(dtype)
        for kind, code in codes.items():
            y = code(*xs)
            # Most results are the rounded exact ones, which need no closer look.
            look = (y != rounded) & ~(np.isnan(y) & np.isnan(rounded)) | (y == 0)
            if not look.any():
                continue
            off = errors(y[look], wide[look])
            k = int(np.argmax(off))
            if off[k] > found[kind][0]:
                found[kind] = (float(off[k]), [float(x[look][k]) for x in xs])
    return found


def written(table: str, rows: dict[tuple[str, str], str]) -> str:
    """The document with new rows in place of those of the same function and dtype, in the functions' order."""
    head, rule, *old = table[table.index("| function") :].splitlines()
    for line in old:
        name, dtype = (cell.strip(" `") for cell in line.split("|")[1:3])
        rows.setdefault((name, dtype), line)
    kept = [rows[key] for name in functions for dtype in ("float32", "float64") if (key := (name, dtype)) in rows]
    return table[: table.index("| function")] + "\n".join([head, rule, *kept, ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--step", type=int, default=1)
    given = parser.parse_args()
    path = ROOT / "docs" / "vector_math.md"
    broken = 0
    for name in given.names or functions:
        for dtype in ("float32", "float64"):
            start = time.perf_counter()
            measured = worst(name, dtype, given.step)
            record = functions[name]
            bound = record.ulp32 if dtype == "float32" else record.ulp64
            broken += any(error > bound for error, _ in measured.values())
            print(name, dtype, bound, measured, f"{time.perf_counter() - start:.0f} s", flush=True)
            if given.step == 1:
                errors = (f"{measured[kind][0]:.3f}" if kind in measured else "" for kind in KINDS)
                row = f"| `{name}` | {dtype} | {bound} | {' | '.join(errors)} | {record.derivation} |"
                text = written(path.read_text(encoding="utf-8"), {(name, dtype): row})
                path.write_text(text, encoding="utf-8")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
