"""The coefficients of koubai/compile/math: best polynomials in the sense of the largest weighted error.

    python benchmarks/minimax.py > src/koubai/compile/math/coefficients.py
    python benchmarks/minimax.py EXP  # one of them

Remez's exchange algorithm with 60 digits (needs mpmath). Coefficients are rounded to the target's precision one after
the other, lowest power first, and the others fitted again after each rounding, so that the printed polynomial,
not its unrounded ideal, has the printed error.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath import mp, mpf
from scipy.optimize import linprog

mp.dps = 60
Real = Callable[[Any], Any]


@dataclass(frozen=True)
class Fit:
    """Minimize max |weight(x) (f(x) - sum of c_k x^powers[k])| over an interval."""

    f: Real
    low: Any
    high: Any
    powers: Sequence[int]
    weight: Real
    dtype: type
    points: int = 40


def remez(f: Sequence[Any], basis: Sequence[Sequence[Any]], weight: Sequence[Any]) -> tuple[list[Any], Any]:
    """The best coefficients for values on a grid, basis[k][i], and the largest weighted error."""
    count, size = len(basis), len(f)
    if count == 0:
        return [], max(abs(w * y) for w, y in zip(weight, f))
    at = [round((size - 1) * (1 - np.cos(np.pi * k / count)) / 2) for k in range(count + 1)]
    best: tuple[list[Any], Any] = ([], mp.inf)
    for _ in range(60):
        rows = [[b[i] for b in basis] + [(-1) ** k / weight[i]] for k, i in enumerate(at)]
        solution = mp.lu_solve(mp.matrix(rows), mp.matrix([f[i] for i in at]))
        c, level = list(solution[:count]), abs(solution[count])
        error = [w * (y - mp.fdot(c, [b[i] for b in basis])) for i, (w, y) in enumerate(zip(weight, f))]
        largest = max(map(abs, error))
        if largest < best[1]:
            best = c, largest
        if largest <= level * mpf("1.0001"):
            break
        at = exchange(error, at)
    return best


def exchange(error: Sequence[Any], at: Sequence[int]) -> list[int]:
    """The alternating extrema of an error curve, as many as there were points, the largest among them."""
    runs: list[int] = []
    for i, e in enumerate(error):
        if runs and (e > 0) == (error[runs[-1]] > 0):
            if abs(e) > abs(error[runs[-1]]):
                runs[-1] = i
        else:
            runs.append(i)
    while len(runs) > len(at):
        if len(runs) - len(at) == 1:
            runs.pop(0 if abs(error[runs[0]]) < abs(error[runs[-1]]) else -1)
        else:
            k = min(range(len(runs) - 1), key=lambda k: max(abs(error[runs[k]]), abs(error[runs[k + 1]])))
            del runs[k : k + 2]
    return runs if len(runs) == len(at) else list(at)


def correct(error: Sequence[Any], basis: Sequence[Sequence[Any]], weight: Sequence[Any]) -> list[Any]:
    """The changes of some coefficients that make the largest weighted error least: a linear program.

    Small changes of a small error, so that float64 is enough; unlike Remez's exchange it needs no Haar condition,
    which fails once the lowest power is fixed on an interval with 0 inside.
    """
    scale = max(abs(w * e) for w, e in zip(weight, error))
    right = np.array([float(w * e / scale) for w, e in zip(weight, error)])
    columns = [np.array([float(w * x) for w, x in zip(weight, b)]) for b in basis]
    sizes = [np.abs(c).max() for c in columns]
    left = np.column_stack([c / s for c, s in zip(columns, sizes)])
    ones = np.ones((len(right), 1))
    solved = linprog(
        [0.0] * len(basis) + [1.0],
        np.vstack([np.hstack([left, -ones]), np.hstack([-left, -ones])]),
        np.concatenate([right, -right]),
        bounds=[(None, None)] * len(basis) + [(0, None)],
    )
    if solved.x is None:
        return [mpf(0)] * len(basis)
    return [mpf(x) * scale / s for x, s in zip(solved.x, sizes)]


def fit(what: Fit) -> tuple[list[float], float]:
    """Rounded coefficients and the error in bits, -log2 of it."""
    size = what.points * (len(what.powers) + 2)
    grid = [
        what.low + (what.high - what.low) * (1 - mp.cos(mp.pi * (mpf(k) + mpf(1) / 2) / size)) / 2 for k in range(size)
    ]
    f = [what.f(x) for x in grid]
    weight = [abs(what.weight(x)) for x in grid]
    basis = [[x**p for x in grid] for p in what.powers]
    c, _ = remez(f, basis, weight)
    for k in range(len(c)):
        c[k] = mpf(float(what.dtype(float(c[k]))))
        if k + 1 < len(c):
            error = [y - mp.fdot(c, [b[i] for b in basis]) for i, y in enumerate(f)]
            for j, change in enumerate(correct(error, basis[k + 1 :], weight), k + 1):
                c[j] += change
    largest = max(abs(w * (y - mp.fdot(c, [b[i] for b in basis]))) for i, (w, y) in enumerate(zip(weight, f)))
    return [float(x) for x in c], float(-mp.log(largest, 2))


def series(f: Real, terms: Sequence[tuple[Any, int]]) -> Real:
    """(f(x) - the leading terms c x^p of its series) over the next power, at 0 too, where digits would cancel."""

    def rest(x: Any) -> Any:
        with mp.workdps(200):
            return (f(mpf(x)) - sum(c * mpf(x) ** p for c, p in terms)) / mpf(x) ** (terms[-1][1] + 1)

    return rest


TINY = mpf("1e-20")  # instead of 0, where quotients are 0/0
HALF_LN2 = mp.log(2) / 2 * mpf("1.001")  # with room for the rounding of the quotient
QUARTER_PI = mp.pi / 4 * mpf("1.001")
LOG_LOW, LOG_HIGH = mp.sqrt(mpf(1) / 2) - 1, mp.sqrt(2) - 1
LOG_Z = (LOG_HIGH / (2 + LOG_HIGH)) ** 2
TARGETS = {"float": np.float32, "double": np.float64}


def exponential(scale: int, counts: Sequence[int], relative_to: Real) -> dict[str, Fit]:
    """(e^(k x) - 1 - k x)/(k x^2) where |k x| <= ln(2)/2, for an error relative to something."""
    f = series(lambda x: mp.expm1(scale * x) / scale, [(mpf(0), 0), (mpf(1), 1)])
    edge = HALF_LN2 / scale
    return {
        element: Fit(f, -edge, edge, range(n), lambda x: x**2 / relative_to(scale * x), dtype)
        for n, (element, dtype) in zip(counts, TARGETS.items())
    }


def exp2(count: int, dtype: type) -> Fit:
    """(2^x - 1)/x where |x| <= 1/2, for a relative error of 2^x."""
    f = series(lambda x: mpf(2) ** x, [(mpf(1), 0)])
    return Fit(f, mpf("-0.501"), mpf("0.501"), range(count), lambda x: x / mpf(2) ** x, dtype)


def odd(f: Real, edge: Any, counts: Sequence[int]) -> dict[str, Fit]:
    """(f(x)/x - 1)/z with z = x^2, for |x| <= edge and an error relative to f."""

    def rest(z: Any) -> Any:
        with mp.workdps(100):
            x = mp.sqrt(z)
            return (f(x) / x - 1) / z

    def weight(z: Any) -> Any:
        x = mp.sqrt(z)
        return z * x / f(x)

    return {
        element: Fit(rest, TINY, mpf(edge) ** 2, range(n), weight, dtype)
        for n, (element, dtype) in zip(counts, TARGETS.items())
    }


def cos_rest(z: Any) -> Any:
    """(cos x - 1 + x^2/2)/x^4."""
    with mp.workdps(140):
        return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2


def erf_ratio(z: Any) -> Any:
    with mp.workdps(100):
        return mp.erf(mp.sqrt(z)) / mp.sqrt(z)


def log_erfc(start: Any, end: Any, count: int, dtype: type) -> Fit:
    """ln erfc(start + t), for an absolute error of erfc; from the start, where that is largest."""
    f = lambda t: mp.log(mp.erfc(start + t))
    return Fit(f, mpf(0), mpf(end) - start, range(count), lambda t: mp.erfc(start + t), dtype)


def erfc_tail(start: Any, end: Any, slope: Any, shift: Any, count: int, dtype: type) -> Fit:
    """e^(x^2) erfc(x) (x + 3) as a function of t = shift + slope/(x + 3)."""

    def f(t: Any) -> Any:
        w = (t - mpf(shift)) / slope
        x = 1 / w - 3
        with mp.workdps(80):
            return mp.exp(x * x) * mp.erfc(x) / w

    low, high = (mpf(shift) + mpf(slope) / (mpf(x) + 3) for x in (start, end))
    return Fit(f, low, high, range(count), lambda t: 1 / f(t), dtype, points=14)


def log2_ratio(z: Any) -> Any:
    """log2((1 + s)/(1 - s))/s with z = s^2."""
    with mp.workdps(140):
        s = mp.sqrt(z)
        return 2 * mp.atanh(s) / s / mp.log(2)


def log2_rest(z: Any) -> Any:
    with mp.workdps(140):
        return (log2_ratio(z) - 2 / mp.log(2) * (1 + z / 3)) / z**2


def log_double(z: Any) -> Any:
    """ln(1 + f) = 2 s + s R(s^2) with s = f/(2 + f): R(z)/z."""
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) / s - 2) / z


FITS: dict[str, dict[str, Fit]] = {
    "EXP": exponential(1, (5, 10), mp.exp),
    "EXPM1": exponential(1, (6, 11), mp.expm1),
    "EXP2": {element: exp2(n, dtype) for n, (element, dtype) in zip((6, 11), TARGETS.items())},
    "TANH": odd(mp.tanh, HALF_LN2 / 2, (3, 6)),
    "SINH": odd(mp.sinh, 1, (4, 8)),
    "ATAN": odd(mp.atan, 1, (9, 20)),
    "ASIN": odd(mp.asin, mpf(1) / 2, (5, 12)),
    "SIN": odd(mp.sin, QUARTER_PI, (3, 6)),
    "COS": {
        element: Fit(cos_rest, TINY, QUARTER_PI**2, range(n), lambda z: z**2 / mp.cos(mp.sqrt(z)), dtype)
        for n, (element, dtype) in zip((3, 6), TARGETS.items())
    },
    "ERF": {
        element: Fit(lambda z: erf_ratio(z) - 1, TINY, mpf(edge) ** 2, range(n), lambda z: 1 / erf_ratio(z), dtype)
        for n, edge, (element, dtype) in zip((6, 12), (0.875, 1), TARGETS.items())
    },
    "LOG_ERFC": {"float": log_erfc(0.875, 4, 7, np.float32), "double": log_erfc(1, 6, 19, np.float64)},
    "ERFC": {"double": erfc_tail(1, 27.5, -9.25, 1.3125, 22, np.float64)},
    "LOG2_SHORT": {"double": Fit(log2_ratio, TINY, LOG_Z, range(5), lambda z: 1 / log2_ratio(z), np.float64)},
    "LOG2_LONG": {"double": Fit(log2_rest, TINY, LOG_Z, range(7), lambda z: z**2 / log2_ratio(z), np.float64)},
    "EXP2_SHORT": {"double": exp2(6, np.float64)},
    "CBRT": {
        "double": Fit(
            lambda d: (1 + d) ** (mpf(-1) / 3), mpf("-0.097"), mpf("0.097"), range(5), lambda d: mpf(1), np.float64
        )
    },
    "LOG": {
        "float": Fit(
            series(mp.log1p, [(mpf(1), 1), (mpf(-1) / 2, 2)]),
            LOG_LOW, LOG_HIGH, range(8), lambda x: x**3 / mp.log1p(x), np.float32,
        ),
        "double": Fit(
            log_double, TINY, LOG_Z, range(7), lambda z: z, np.float64
        ),
    },
}  # fmt: skip


HEAD = '"""Best polynomials, lowest power first; benchmarks/minimax.py says of what, and writes this file."""'


def main(wanted: Sequence[str]) -> None:
    print(f"{HEAD}\n\n# fmt: off")
    for name in wanted or FITS:
        print(f"{name} = {{")
        for element, what in FITS[name].items():
            c, bits = fit(what)
            body = ", ".join(str(what.dtype(x)) for x in c)
            print(f"    # error 2^-{bits:.1f} on [{float(what.low):.6g}, {float(what.high):.6g}]")
            print(textwrap.fill(f'"{element}": ({body},),', 118, initial_indent="    ", subsequent_indent=" " * 8))
        print("}")


if __name__ == "__main__":
    main(sys.argv[1:])
