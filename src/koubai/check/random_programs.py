"""Random programs of mixed dtypes: compiled and interpreted, values and gradients must agree.

Beside the steps of `random_graphs` these hold integers, truth values and two precisions, steps that look up,
scatter and compare, and axes long enough for whole vectors with a rest.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from koubai import numpy as knp
from koubai.check.random_steps import Step, draw_inputs, draw_step, quiet
from koubai.graph import Node, topological
from koubai.tensor import compile, grad
from koubai.tensor.trace import Trace

__all__ = ["Difference", "RandomProgram", "compare_programs", "is_delicate"]

TOLERANCE = {8: 1e-9, 4: 2e-4, 2: 5e-2}  # relative to an array's largest element, by the bytes of a number
DRAWS = 4

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class RandomProgram:
    """A computation drawn from a seed.

    Attributes
    ----------
    seed : int
    inputs : tuple of arrays
    steps : tuple of (name, positions of the operands, function)
    weights : tuple of float
        The number that is differentiated is the sum of the means of all floating-point results, each times
        its weight.

    Examples
    --------
    >>> program = RandomProgram.draw(0)
    >>> len(program(*program.inputs)) > 0
    True
    """

    seed: int
    inputs: tuple[Any, ...]
    steps: tuple[tuple[str, tuple[int, ...], Step], ...]
    weights: tuple[float, ...]

    @staticmethod
    def draw(seed: int, most: int = 6) -> RandomProgram:
        """The program of this seed, with up to `most` steps."""
        rng = np.random.default_rng(seed)
        values = draw_inputs(rng)
        inputs, steps = tuple(values), []
        for _ in range(rng.integers(1, most + 1)):
            name, operands, function, value = draw_step(rng, values)
            values.append(value)
            steps.append((name, operands, function))
        return RandomProgram(seed, inputs, tuple(steps), tuple(rng.uniform(0.5, 2.0, len(values))))

    def __call__(self, *xs: Any) -> list[Any]:
        """The results: every value that no later step uses."""
        values = list(xs)
        for _, operands, function in self.steps:
            values.append(function(*(values[i] for i in operands)))
        used = {i for _, operands, _ in self.steps for i in operands}
        return [v for i, v in enumerate(values) if i not in used]

    def both(self, *xs: Any) -> list[Any]:
        """The results and, where there are floating-point ones, the gradient by every floating-point input."""
        at = [i for i, x in enumerate(self.inputs) if x.dtype.kind == "f"]

        def total(*floats: Any) -> Any:
            given = list(xs)
            for i, x in zip(at, floats):
                given[i] = x
            found = self(*given)
            terms = [w * knp.mean(y) for w, y in zip(self.weights, found) if y.dtype.kind == "f"]
            return sum(terms, start=0.0 * knp.sum(floats[0])), found

        if not at:
            return self(*xs)
        slopes, found = grad(total, tuple(range(len(at))), has_aux=True)(*(xs[i] for i in at))
        return [*found, *slopes]

    def smaller(self) -> list[RandomProgram]:
        """The same without some steps or inputs."""
        found = []
        for k in range(len(self.steps)):
            keep = self.steps[:k]
            if keep:
                found.append(replace(self, steps=keep))
        for last in range(len(self.steps)):
            needed = _needed(self.steps[: last + 1], len(self.inputs))
            if len(needed) < last + 1:
                found.append(_without(self, needed))
        return sorted(found, key=lambda p: len(p.steps))

    def __str__(self) -> str:
        n = len(self.inputs)
        lines = [f"%{i} = input {x.dtype}{list(x.shape)}" for i, x in enumerate(self.inputs)]
        lines += [f"%{n + i} = {name}({', '.join(f'%{j}' for j in at)})" for i, (name, at, _) in enumerate(self.steps)]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Difference:
    """A program whose compiled results are not the interpreted ones.

    Attributes
    ----------
    program : RandomProgram
        As small as it could be made.
    what : str
        The result that differs, and by how much; or what went wrong.
    """

    program: RandomProgram
    what: str

    def __str__(self) -> str:
        return f"seed {self.program.seed}: {self.what}\n{self.program}"


def compare_programs(programs: Sequence[RandomProgram]) -> tuple[list[Difference], int]:
    """Compile all of them together and compare with the interpreter.

    Returns
    -------
    differences : list of Difference
    delicate : int
        How many programs were passed over, because rounding alone changes their results that much: a comparison of
        two numbers that are equal but for rounding, say.

    Examples
    --------
    >>> compare_programs([RandomProgram.draw(seed) for seed in range(3)])
    ([], 0)
    """
    try:
        found = _compiled(programs)
    except Exception as error:  # whatever it is: it is to be reported, with the program
        if len(programs) == 1:
            return [Difference(programs[0], f"{type(error).__name__}: {error}")], 0
        half = len(programs) // 2
        first, second = compare_programs(programs[:half]), compare_programs(programs[half:])
        return first[0] + second[0], first[1] + second[1]
    differences, delicate = [], 0
    for program, results in zip(programs, found):
        what = _difference(program, results)
        if what is not None and is_delicate(program):
            delicate += 1
        elif what is not None:
            differences.append(_smallest(Difference(program, what)))
    return differences, delicate


def _compiled(programs: Sequence[RandomProgram]) -> list[list[Any]]:
    def everything(inputs: Any) -> Any:
        return [program.both(*xs) for program, xs in zip(programs, inputs)]

    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # a program that is interpreted after all is no comparison
        found: list[list[Any]] = compile(everything)([list(program.inputs) for program in programs])
    return found


def _difference(program: RandomProgram, results: Sequence[Any]) -> str | None:
    for k, (a, b) in enumerate(zip(results, _interpreted(program), strict=True)):
        a, b = np.asarray(a), np.asarray(b)
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"result {k}: compiled {a.dtype}{list(a.shape)}, interpreted {b.dtype}{list(b.shape)}"
        gap = _gap(a, b)
        if not gap <= TOLERANCE[8] and not gap <= _allowed(program):
            return f"result {k} differs by {gap:.1e} of its largest element:\ncompiled {a}\ninterpreted {b}"
    return None


def _interpreted(program: RandomProgram) -> list[Any]:
    with quiet():
        return program.both(*program.inputs)


def _gap(a: Any, b: Any) -> float:
    same = (a == b) | ((a != a) & (b != b))
    finite = np.abs(b[np.isfinite(b)])
    with np.errstate(all="ignore"):
        size = max(float(finite.max(initial=0.0)), 1e-300)
        far = np.where(same, 0.0, np.abs(a.astype(np.float64) - b.astype(np.float64)) / size)
    return float(np.where(np.isnan(far), np.inf, far).max(initial=0.0))


def _allowed(program: RandomProgram) -> float:
    """By the least precise of all numbers that come up."""
    kinds = {node.dtype for node in topological(_traced(program).traced) if not isinstance(node.type, tuple)}
    return max((TOLERANCE[dtype.itemsize] for dtype in kinds if dtype.kind == "f"), default=TOLERANCE[8])


def _traced(program: RandomProgram) -> Trace:
    with quiet():
        return Trace(lambda *xs: program.both(*xs), program.inputs, tuple)


def is_delicate(program: RandomProgram) -> bool:
    """Whether rounding errors alone may change a result as much as is compared."""
    expected, trace, enough = _interpreted(program), _traced(program), _allowed(program) / 10
    for k in range(DRAWS):
        for a, b in zip(_disturbed(trace, program.inputs, np.random.default_rng(k)), expected):
            if not _gap(np.asarray(a), np.asarray(b)) <= enough:
                return True
    return False


def _disturbed(trace: Trace, inputs: Sequence[Any], noise: Rng) -> list[Any]:
    """The results when every op's is off by some rounding errors."""
    values: dict[Any, Any] = dict(zip(trace.inputs, inputs))
    for node in topological(trace.traced):
        if node.op is not None:
            given = [values.get(x, x.value) if isinstance(x, Node) else x for x in node.inputs]
            with quiet():
                values[node] = _off(node.op.forward(*given, **node.params), noise)
    return [values.get(y, y.value) for y in trace.traced]


def _off(x: Any, noise: Rng) -> Any:
    if isinstance(x, tuple) or x.dtype.kind != "f":
        return x
    factor = 1.0 + 4.0 * np.finfo(x.dtype).eps * noise.uniform(-1.0, 1.0, x.shape)
    return x * np.asarray(factor).astype(x.dtype)[()]


def _smallest(difference: Difference) -> Difference:
    """A smaller program that goes wrong too, if there is one."""
    for program in difference.program.smaller():
        found, _ = _alone(program)
        if found:
            return found[0]
    return difference


def _alone(program: RandomProgram) -> tuple[list[Difference], int]:
    try:
        what = _difference(program, _compiled([program])[0])
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
    return ([Difference(program, what)], 0) if what and not is_delicate(program) else ([], 0)


def _needed(steps: Sequence[Any], n: int) -> list[int]:
    """The steps on which the last one depends, itself included."""
    needed = {len(steps) - 1}
    for k in range(len(steps) - 1, -1, -1):
        if k in needed:
            needed |= {i - n for i in steps[k][1] if i >= n}
    return sorted(needed)


def _without(program: RandomProgram, kept: Sequence[int]) -> RandomProgram:
    n = len(program.inputs)
    place = {i: i for i in range(n)} | {n + old: n + new for new, old in enumerate(kept)}
    steps = [(name, tuple(place[i] for i in at), f) for name, at, f in (program.steps[k] for k in kept)]
    return replace(program, steps=tuple(steps))
