"""Random computations: functions that nobody wrote, on which all ways to differentiate must agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from koubai import numpy as knp
from koubai.check.grads import check_grads
from koubai.check.report import GradReport

__all__ = ["RandomGraph", "check_random_graph"]

SHAPES: tuple[tuple[int, ...], ...] = ((), (3,), (2, 3), (3, 2), (3, 3), (2, 1), (2, 3, 2))
LARGEST = 30.0
MOST_ELEMENTS = 64

Rng = np.random.Generator
Step = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class RandomGraph:
    """A computation drawn from a seed: some inputs, and steps that each use values made before.

    Attributes
    ----------
    seed : int
    inputs : tuple of arrays
    steps : tuple of (name, positions of the operands, function)
    weights : tuple of float
        The result is the sum of the means of all values that no later step uses, each times its weight.

    Examples
    --------
    >>> graph = RandomGraph.draw(0)
    >>> float(graph(*graph.inputs)) == float(RandomGraph.draw(0)(*graph.inputs))
    True
    """

    seed: int
    inputs: tuple[Any, ...]
    steps: tuple[tuple[str, tuple[int, ...], Step], ...]
    weights: tuple[float, ...]

    @staticmethod
    def draw(seed: int, length: int | None = None) -> RandomGraph:
        """The graph of this seed, with `length` steps (by default 3 to 20)."""
        rng = np.random.default_rng(seed)
        shapes = [SHAPES[i] for i in rng.integers(len(SHAPES), size=rng.integers(1, 4))]
        values = [rng.uniform(-1.5, 1.5, shape) for shape in shapes]
        inputs, steps = tuple(values), []
        for _ in range(rng.integers(3, 21) if length is None else length):
            name, operands, function, value = _fitting_step(rng, values)
            values.append(value)
            steps.append((name, operands, function))
        return RandomGraph(seed, inputs, tuple(steps), tuple(rng.uniform(0.5, 2.0, len(values))))

    def __call__(self, *xs: Any) -> Any:
        values = list(xs)
        for _, operands, function in self.steps:
            values.append(function(*(values[i] for i in operands)))
        used = {i for _, operands, _ in self.steps for i in operands}
        total = 0.0
        for i, value in enumerate(values):
            if i not in used:
                total = total + self.weights[i] * knp.mean(value)
        return total

    def __str__(self) -> str:
        n = len(self.inputs)
        lines = [f"%{i} = input {x.shape}" for i, x in enumerate(self.inputs)]
        lines += [
            f"%{n + i} = {name}({', '.join(f'%{j}' for j in at)})"
            for i, (name, at, _) in enumerate(self.steps)
        ]
        return "\n".join(lines)


def check_random_graph(seed: int, order: int = 1) -> GradReport:
    """`check_grads` on the graph of a seed: reverse mode, forward mode and numerical differentiation agree.

    Examples
    --------
    >>> check_random_graph(1).ok
    True
    """
    graph = RandomGraph.draw(seed)
    return check_grads(graph, *graph.inputs, order=order)


def _fitting_step(rng: Rng, values: list[Any]) -> tuple[str, tuple[int, ...], Step, Any]:
    """A step that applies to some of the values and whose result is neither large nor long."""
    while True:
        name, count, make = TABLE[rng.integers(len(TABLE))]
        # Recent values are preferred, so that graphs grow deep; any may be used again.
        n = len(values)
        operands = tuple(int(n - 1 - min(rng.geometric(0.35) - 1, n - 1)) for _ in range(count))
        try:
            function = make(rng, *(values[i] for i in operands))
            with np.errstate(all="ignore"):
                value = np.asarray(function(*(values[i] for i in operands)))
        except (ValueError, IndexError, TypeError):
            continue  # These operands do not fit together; draw again.
        if value.size and value.size <= MOST_ELEMENTS and np.all(np.abs(value) < LARGEST):
            return name, operands, function, value[()]


def _plain(function: Step) -> Callable[..., Step]:
    return lambda rng, *xs: function


def _axis(rng: Rng, x: Any) -> Any:
    """One axis, or all of them."""
    return None if np.ndim(x) == 0 or rng.random() < 0.3 else int(rng.integers(np.ndim(x)))


def _one_axis(rng: Rng, x: Any) -> int:
    if not np.ndim(x):
        raise ValueError("no axes")
    return int(rng.integers(np.ndim(x)))


def _reduction(function: Any) -> Any:
    def make(rng: Rng, x: Any) -> Step:
        axis, keepdims = _axis(rng, x), bool(rng.random() < 0.3)
        return lambda v: function(v, axis=axis, keepdims=keepdims)

    return make


def _along(function: Any) -> Any:
    def make(rng: Rng, x: Any) -> Step:
        axis = _one_axis(rng, x)
        return lambda v: function(v, axis=axis)

    return make


def _transposed(rng: Rng, x: Any) -> Step:
    axes = tuple(int(i) for i in rng.permutation(np.ndim(x)))
    return lambda v: knp.transpose(v, axes)


def _reshaped(rng: Rng, x: Any) -> Step:
    shapes = [s for s in (*SHAPES, (6,), (1, 6), (12,), (4, 3)) if np.prod(s) == np.size(x)]
    shape = shapes[rng.integers(len(shapes))] if shapes else (-1,)
    return lambda v: knp.reshape(v, shape)


def _broadcast(rng: Rng, x: Any) -> Step:
    shape = (int(rng.integers(1, 4)), *np.shape(x))
    return lambda v: knp.broadcast_to(v, shape)


def _sliced(rng: Rng, x: Any) -> Step:
    n = np.shape(x)[_first(x)]
    start, step = int(rng.integers(n)), int(rng.choice([-1, 1, 2]))
    return lambda v: v[slice(start, None, step)]


def _first(x: Any) -> int:
    if not np.ndim(x):
        raise ValueError("no axes")
    return 0


def _chosen(rng: Rng, x: Any) -> Step:
    rows = rng.integers(np.shape(x)[_first(x)], size=int(rng.integers(1, 5)))  # some of them twice
    return lambda v: v[rows]


def _rolled(rng: Rng, x: Any) -> Step:
    axis, shift = _one_axis(rng, x), int(rng.integers(-2, 3))
    return lambda v: knp.roll(v, shift, axis=axis)


def _joined(rng: Rng, x: Any, z: Any) -> Step:
    axis = _one_axis(rng, x)
    return lambda v, w: knp.concatenate([v, w, v], axis=axis)


def _where(rng: Rng, x: Any, z: Any) -> Step:
    mask = rng.random(np.broadcast_shapes(np.shape(x), np.shape(z))) < 0.5
    return lambda v, w: knp.where(mask, v, w * v)


def _scaled_exp(x: Any) -> Any:
    return knp.exp(0.5 * knp.tanh(x))


def _softmax(x: Any) -> Any:
    e = knp.exp(x - knp.max(x))
    return e / knp.sum(e)


def _swap(x: Any) -> Any:
    return knp.swapaxes(x, -1, -2)


TABLE: list[tuple[str, int, Any]] = [
    ("add", 2, _plain(lambda x, z: x + z)),
    ("subtract", 2, _plain(lambda x, z: x - z)),
    ("multiply", 2, _plain(lambda x, z: x * z)),
    ("divide", 2, _plain(lambda x, z: x / (1.5 + z * z))),
    ("power", 1, _plain(lambda x: (1.0 + x * x) ** 0.3)),
    ("square", 1, _plain(lambda x: x**2)),
    ("negative", 1, _plain(lambda x: 0.5 - x)),
    ("exp", 1, _plain(_scaled_exp)),
    ("log", 1, _plain(lambda x: knp.log(1.0 + x * x))),
    ("sqrt", 1, _plain(lambda x: knp.sqrt(0.5 + x * x))),
    ("sin", 1, _plain(knp.sin)),
    ("cos", 1, _plain(knp.cos)),
    ("tanh", 1, _plain(knp.tanh)),
    ("arctan", 1, _plain(knp.arctan)),
    ("arctan2", 2, _plain(lambda x, z: knp.arctan2(x, 1.5 + z * z))),
    ("hypot", 2, _plain(lambda x, z: knp.hypot(x, 1.0 + z * z))),
    ("logaddexp", 2, _plain(knp.logaddexp)),
    ("abs", 1, _plain(knp.abs)),
    ("maximum", 2, _plain(knp.maximum)),
    ("minimum", 2, _plain(knp.minimum)),
    ("clip", 1, _plain(lambda x: knp.clip(x, -1.0, 1.0))),
    ("where", 2, _where),
    ("softmax", 1, _plain(_softmax)),
    ("sum", 1, _reduction(knp.sum)),
    ("mean", 1, _reduction(knp.mean)),
    ("max", 1, _reduction(knp.max)),
    ("min", 1, _reduction(knp.min)),
    ("var", 1, _reduction(knp.var)),
    ("prod", 1, _reduction(knp.prod)),
    ("cumsum", 1, _along(knp.cumsum)),
    ("cumprod", 1, _along(knp.cumprod)),
    ("sort", 1, _along(knp.sort)),
    ("flip", 1, _along(knp.flip)),
    ("roll", 1, _rolled),
    ("reshape", 1, _reshaped),
    ("transpose", 1, _transposed),
    ("broadcast_to", 1, _broadcast),
    ("slice", 1, _sliced),
    ("index", 1, _chosen),
    ("concatenate", 2, _joined),
    ("tril", 1, _plain(knp.tril)),
    ("matmul", 2, _plain(lambda x, z: x @ z)),
    ("gram", 1, _plain(lambda x: x @ _swap(x))),
    ("outer", 2, _plain(knp.outer)),
    ("einsum", 2, _plain(lambda x, z: knp.einsum("ij,jk->ki", x, z))),
    ("tensordot", 2, _plain(lambda x, z: knp.tensordot(x, z, axes=1))),
]
