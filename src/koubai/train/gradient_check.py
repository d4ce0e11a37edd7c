"""The gradient check of a network before it is trained.

Backpropagation is easy to get wrong and numerical differentiation is too slow to train with, but exact
enough to confirm it: a few parameters of this very network, with this very loss, on a few of these
very examples, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from koubai.check.diagnose import diagnose
from koubai.check.judge import Comparison, Tolerance, compare
from koubai.check.layers import check_function
from koubai.check.problem import Problem
from koubai.check.slope import slope_of
from koubai.diff import gradients
from koubai.errors import GradientError
from koubai.graph import Node, constant, topological
from koubai.nn import Module, standing_in
from koubai.tensor import Tensor, no_grad
from koubai.tensor.function import layer_of

__all__ = ["GradCheck", "Network", "check_network", "comparable", "compare_some"]

LARGEST_STEP = 2.0**-6
MOVES = 3


@dataclass(frozen=True, slots=True)
class GradCheck:
    """What the gradient check of a network found.

    Attributes
    ----------
    max_error : float
        The largest difference between backpropagation and numerical differentiation, relative to the larger
        of the two numbers and of the root mean square of the gradient of that parameter array.
    checked : int
        How many parameters (numbers, not arrays) were compared.
    functions : tuple of str
        The layers with a backward written by hand that were checked by themselves.
    """

    max_error: float
    checked: int
    functions: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True: a check that fails raises."""
        return True

    def __str__(self) -> str:
        error = f"to {self.max_error:.0e}".replace("e-0", "e-") if self.max_error else "exactly"
        return f"backpropagation and numerical differentiation agree {error} on {self.checked} parameters"


class Network:
    """A float64 copy of the network, its loss on some examples, and the parameters that may be moved.

    Parameters
    ----------
    model : Module
    loss : callable
    batches : pairs (x, t)
        Seen one after the other; the loss is the mean over the examples of all of them.

    Attributes
    ----------
    params : dict from path to array
    """

    def __init__(self, model: Module, loss: Callable[[Any, Any], Any], batches: Sequence[tuple[Any, Any]]) -> None:
        try:
            self.twin = deepcopy(model)
        except TypeError as error:
            raise GradientError(
                f"gradient check: the model holds something that cannot be copied ({error}), but the check works on a "
                f"copy; make it copyable, or pass check=False"
            ) from None
        wide = np.complex128 if model.dtype.kind == "c" else np.float64
        self.twin.astype(wide)
        self.model, self.loss = model, loss
        self.batches = [
            (
                x.astype(model.input_dtype(x.dtype) if x.dtype.kind in "iu" else wide),
                t.astype(wide) if t.dtype.kind in "fc" else t,
            )
            for x, t in batches
        ]
        self.params = {
            name: np.array(p.value) for name, p in self.twin.named_parameters() if p.requires_grad and p.size
        }

    def value(self, params: Any) -> Any:
        """The loss at these parameters. What layers store meanwhile is dropped: dropout drops the same every time."""
        total: Any = None
        buffers: dict[str, Any] = {}
        for x, t in self.batches:
            values = {**params, **buffers}
            # The loss may read parameters too, but those of the model and not of its copy.
            with standing_in(self.model, values), standing_in(self.twin, values) as present:
                y = self.twin(x)
                loss = self.loss(y if isinstance(y, Node) else constant(y, Tensor), t)
                buffers = present()
            if len(self.batches) == 1:
                return loss
            total = loss * len(x) if total is None else total + loss * len(x)
        return total / sum(len(x) for x, _ in self.batches)

    def number(self) -> float:
        # As tensors, since that is what a model's own code sees in training.
        with np.errstate(all="ignore"), no_grad():
            y = self.value({name: constant(p[()], Tensor) for name, p in self.params.items()})
        return float(y.value if isinstance(y, Node) else y)

    def backpropagated(self) -> tuple[Any, dict[str, Any]]:
        leaves = {name: constant(p[()], Tensor, requires_grad=True) for name, p in self.params.items()}
        with np.errstate(all="ignore"):
            y = self.value(leaves)
            found = gradients([y], [np.ones_like(y.value)[()]])
        return y, {name: np.asarray(found.get(leaf, np.zeros(leaf.shape))) for name, leaf in leaves.items()}


def check_network(
    model: Module, loss: Callable[[Any, Any], Any], x: Any, t: Any, *, count: int = 50, seed: int = 0
) -> GradCheck:
    """Compare the gradient of `count` parameters, spread over all parameter arrays, with numerical differentiation.

    Where a step reaches over a kink (as of relu at 0), another parameter is drawn, and when that does not help
    the check moves to weights beside the present ones. The model itself is not touched.

    Raises
    ------
    GradientError
        If the gradient is wrong, with the op or layer that is to blame; or if nothing can be compared.
    """
    network = Network(model, loss, [(x, t)])
    rng = np.random.Generator(np.random.Philox(abs(seed)))
    y = comparable(network)
    functions = _check_functions(y)
    worst: list[float] = []
    for _ in range(MOVES):
        worst += chain.from_iterable(compare_some(network, rng, count - len(worst)).values())
        if len(worst) == count or len(worst) == sum(p.size for p in network.params.values()):
            break
        for name, p in network.params.items():
            size = 1e-3 * (float(np.sqrt(np.mean(np.abs(p) ** 2))) or 1.0)
            network.params[name] = p + size * rng.standard_normal(p.shape)
    if not worst:
        raise GradientError(
            "gradient check: no parameter could be compared, since the loss has a kink in every one of them here; "
            "pass check=False to train without the check"
        )
    return GradCheck(max(worst), len(worst), functions)


def comparable(network: Network) -> Any:
    """The loss, as a node.

    Raises
    ------
    GradientError
        If numerical differentiation could not decide anything here.
    """
    y, _ = network.backpropagated()
    if not np.isfinite(y.value):
        raise GradientError(
            f"gradient check: the loss is {y.value} at these weights; smaller or standardized inputs, or smaller "
            f"weights, keep it finite"
        )
    if y.dtype not in (np.float64, np.complex128):
        raise GradientError(
            f"gradient check: the model computes in {y.dtype} although its parameters are float64; in that precision "
            f"numerical differentiation cannot decide. Let it keep the dtype of its input, or pass check=False"
        )
    return y


def _check_functions(y: Any) -> tuple[str, ...]:
    """Check each kind of hand-written layer by itself, at the values that it was given in the network."""
    seen: dict[str, None] = {}
    for node in topological([y]):
        layer = layer_of(node)
        name = type(layer).__name__
        if layer is None or name in seen:
            continue
        check_function(layer, [v.value if isinstance(v, Node) else v for v in node.inputs])
        seen[name] = None
    return tuple(seen)


def compare_some(network: Network, rng: np.random.Generator, count: int) -> dict[str, list[float]]:
    """The relative differences at `count` numbers, by parameter; fewer, where kinks leave fewer.

    Raises
    ------
    GradientError
        If one is wrong.
    """
    here, found = network.backpropagated()
    size = abs(float(here.value))
    errors: dict[str, list[float]] = {}
    for name, order in _spread(network.params, rng, count):
        wanted = order.pop(0)
        agreeing = errors.setdefault(name, [])
        for position in order[: wanted * 2]:
            if len(agreeing) == wanted:
                break
            outcome = _compare_one(network, name, int(position), found[name], size)
            if outcome.verdict == "agree":
                agreeing.append(outcome.relative)
            elif outcome.verdict == "wrong":
                raise _refusal(network, name, int(position), outcome)
    return errors


def _spread(params: dict[str, Any], rng: np.random.Generator, count: int) -> list[tuple[str, list[Any]]]:
    """For each parameter array how many of its elements to compare, and all candidates in random order."""
    share = dict.fromkeys(params, 0)
    left = min(count, sum(p.size for p in params.values()))
    while left > 0:
        for name, p in params.items():
            if left > 0 and share[name] < p.size:
                share[name] += 1
                left -= 1
    return [(name, [share[name], *rng.permutation(p.size)[: 2 * count]]) for name, p in params.items()]


def _compare_one(network: Network, name: str, position: int, gradient: Any, size: float) -> Comparison:
    """Move one real parameter (the real part of a complex one) and compare the slope."""
    flat = network.params[name].reshape(-1)
    kept = flat[position]

    def along(h: float) -> Any:
        flat[position] = kept + h
        try:
            return np.array([network.number()])
        finally:
            flat[position] = kept

    slope = slope_of(along, LARGEST_STEP * max(1.0, abs(kept)))
    typical = float(np.sqrt(np.mean(np.abs(gradient) ** 2)))
    analytic = float(np.real(gradient.reshape(-1)[position]))
    return compare("reverse", analytic, slope, typical, size, Tolerance())


def _refusal(network: Network, name: str, position: int, outcome: Comparison) -> GradientError:
    """The error, with the op or layer to blame where it can be found."""
    problem = Problem(
        network.value,
        [network.params],
        subject="the network's loss",
        names=[f"parameter {n}" for n in network.params],
    )
    found = diagnose(problem, [np.float64(1.0)], list(range(len(problem.leaves))), "reverse", Tolerance())
    if found is not None:
        return GradientError(f"gradient check: {found}")
    index = tuple(int(i) for i in np.unravel_index(position, network.params[name].shape))
    return GradientError(
        f"gradient check: parameter {name}, index {index}: backpropagation gives {outcome.analytic:.10g}, numerical "
        f"differentiation {outcome.numerical:.10g}"
    )
