"""Optimizers that scale each weight by the size of its past gradients: Adagrad, Adadelta, RMSprop, Adafactor."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from koubai.ops.elementwise import maximum, minimum, sqrt
from koubai.ops.reduce import sum as total
from koubai.optim.optimizer import Optimizer, like, sized_zeros

__all__ = ["Adadelta", "Adafactor", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Adaptive gradient: each weight's rate falls with the sum of its squared gradients.

    At step t (from 1), with the gradient g (plus ``weight_decay * p``)::

        s <- s + g^2
        p <- p - lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps)

    Parameters
    ----------
    lr : float or schedule, default 0.01
    lr_decay : float, default 0
    weight_decay : float, default 0
    initial_accumulator_value : float, default 0
        What s begins with.
    eps : float, default 1e-10
    maximize : bool, default False
    groups : dict, optional

    References
    ----------
    J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 12 (2011).

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.Adagrad(lr=0.5)
    >>> params = {"w": np.array([1.0, 2.0])}
    >>> optimizer.update({"w": np.array([0.1, -9.0])}, optimizer.init(params), params)[0]["w"]
    array([0.5, 2.5])
    """

    def __init__(self, lr: Any = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0,
                 initial_accumulator_value: float = 0.0, eps: float = 1e-10, *, maximize: bool = False,
                 groups: Any = None) -> None:  # fmt: skip
        super().__init__(groups, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay,
                         initial_accumulator_value=initial_accumulator_value, eps=eps,
                         maximize=maximize)  # fmt: skip

    def slots(self, p: Any, h: SimpleNamespace) -> dict[str, Any]:
        return {"sum": np.full(p.shape, h.initial_accumulator_value, p.dtype)[()]}

    def rule(self, p: Any, g: Any, slots: dict[str, Any], t: Any, h: SimpleNamespace) -> Any:
        if h.weight_decay:
            g = g + h.weight_decay * p
        s = slots["sum"] + g * g
        rate = h.lr / (1.0 + (t - 1) * h.lr_decay)
        return p - like(p, rate) * (g / (sqrt(s) + h.eps)), {"sum": s}


class Adadelta(Optimizer):
    """Adagrad with a window, and steps in the units of the parameter.

    With the gradient g (plus ``weight_decay * p``)::

        v <- rho v + (1 - rho) g^2
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u <- rho u + (1 - rho) d^2
        p <- p - lr d

    Parameters
    ----------
    lr : float or schedule, default 1.0
    rho : float, default 0.9
    eps : float, default 1e-6
    weight_decay : float, default 0
    maximize : bool, default False
    groups : dict, optional

    References
    ----------
    M. D. Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701 (2012).

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.Adadelta(rho=0.0, eps=1.0)
    >>> params = {"w": np.array([1.0])}
    >>> optimizer.update({"w": np.array([0.75])}, optimizer.init(params), params)[0]["w"]
    array([0.4])
    """

    def __init__(self, lr: Any = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0, *,
                 maximize: bool = False, groups: Any = None) -> None:  # fmt: skip
        super().__init__(groups, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize)

    def slots(self, p: Any, h: SimpleNamespace) -> dict[str, Any]:
        return {"square_avg": sized_zeros(p), "acc_delta": sized_zeros(p)}

    def rule(self, p: Any, g: Any, slots: dict[str, Any], t: Any, h: SimpleNamespace) -> Any:
        if h.weight_decay:
            g = g + h.weight_decay * p
        v = h.rho * slots["square_avg"] + (1.0 - h.rho) * (g * g)
        delta = sqrt(slots["acc_delta"] + h.eps) / sqrt(v + h.eps) * g
        u = h.rho * slots["acc_delta"] + (1.0 - h.rho) * (delta * delta)
        return p - like(p, h.lr) * delta, {"square_avg": v, "acc_delta": u}


class RMSprop(Optimizer):
    """Division by a running root mean square of the gradient.

    With the gradient g (plus ``weight_decay * p``)::

        v <- alpha v + (1 - alpha) g^2
        a <- alpha a + (1 - alpha) g,   s = sqrt(v - a^2)     (centered; else s = sqrt(v))
        b <- momentum b + g / (s + eps)
        p <- p - lr b

    Parameters
    ----------
    lr : float or schedule, default 0.01
    alpha : float, default 0.99
    eps : float, default 1e-8
    weight_decay : float, default 0
    momentum : float, default 0
    centered : bool, default False
    maximize : bool, default False
    groups : dict, optional

    References
    ----------
    T. Tieleman, G. Hinton, "Lecture 6.5: RMSprop", Coursera (2012). centered: A. Graves, "Generating sequences
    with recurrent neural networks", arXiv:1308.0850 (2013).

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.RMSprop(lr=0.5, alpha=0.75, eps=0.0)
    >>> params = {"w": np.array([1.0, 2.0])}
    >>> optimizer.update({"w": np.array([0.1, -9.0])}, optimizer.init(params), params)[0]["w"]
    array([0., 3.])
    """

    def __init__(self, lr: Any = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0,
                 momentum: float = 0.0, centered: bool = False, *, maximize: bool = False,
                 groups: Any = None) -> None:  # fmt: skip
        super().__init__(groups, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
                         centered=centered, maximize=maximize)  # fmt: skip

    def slots(self, p: Any, h: SimpleNamespace) -> dict[str, Any]:
        names = ["square_avg"] + ["grad_avg"] * h.centered + ["momentum_buffer"] * (h.momentum > 0)
        return {name: sized_zeros(p) for name in names}

    def rule(self, p: Any, g: Any, slots: dict[str, Any], t: Any, h: SimpleNamespace) -> Any:
        if h.weight_decay:
            g = g + h.weight_decay * p
        new = {"square_avg": h.alpha * slots["square_avg"] + (1.0 - h.alpha) * (g * g)}
        variance = new["square_avg"]
        if h.centered:
            mean = new["grad_avg"] = h.alpha * slots["grad_avg"] + (1.0 - h.alpha) * g
            # Rounding can leave a variance of a constant gradient just below zero.
            variance = maximum(variance - mean * mean, 0.0)
        step = g / (sqrt(variance) + h.eps)
        if h.momentum:
            step = new["momentum_buffer"] = h.momentum * slots["momentum_buffer"] + step
        return p - like(p, h.lr) * step, new


def _mean(x: Any, axes: tuple[int, ...]) -> Any:
    """The mean over axes counted from the end, kept with length one."""
    axis = tuple(sorted(a % x.ndim for a in axes))
    count = int(np.prod([x.shape[a] for a in axis]))
    return total(x, axis=axis, keepdims=True) / count


def _root_mean_square(x: Any) -> Any:
    size = int(np.prod(x.shape))
    return sqrt(total(x * x, axis=tuple(range(x.ndim)), keepdims=False) / size)


class Adafactor(Optimizer):
    """Adam without momentum, whose second moment of a matrix is kept as its row and column means only.

    At step t (from 1), with the gradient g and ``b = t^beta2_decay``, after decoupled weight decay::

        r <- (1 - b) r + b (mean of g^2 along the rows),   c <- the same along the columns
        v = r c / mean(r)                       (vectors: v <- (1 - b) v + b g^2)
        u = g / sqrt(v)
        p <- p - max(eps2, rms(p)) min(lr, 1/sqrt(t)) * u / max(1, rms(u) / d)

    Parameters
    ----------
    lr : float or schedule, default 0.01
    beta2_decay : float, default -0.8
    eps : (float or None, float), default (None, 0.001)
        Floors of the second moment (None: the machine epsilon of the dtype) and of the parameter's size.
    d : float, default 1.0
        Threshold from which on updates are clipped.
    weight_decay : float, default 0
    maximize : bool, default False
    groups : dict, optional

    References
    ----------
    N. Shazeer, M. Stern, "Adafactor: adaptive learning rates with sublinear memory cost", ICML 2018.

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.Adafactor(lr=0.5)
    >>> params = {"w": np.ones((2, 3))}
    >>> state = optimizer.init(params)
    >>> state["slots"]["w"]["row_var"].shape, state["slots"]["w"]["col_var"].shape
    ((2, 1), (1, 3))
    """

    kinds: ClassVar[dict[str, str]] = {"eps": "eps_pair"}

    def __init__(self, lr: Any = 1e-2, beta2_decay: float = -0.8, eps: tuple[float | None, float] = (None, 1e-3),
                 d: float = 1.0, weight_decay: float = 0.0, *, maximize: bool = False,
                 groups: Any = None) -> None:  # fmt: skip
        super().__init__(groups, lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay,
                         maximize=maximize)  # fmt: skip

    def slots(self, p: Any, h: SimpleNamespace) -> dict[str, Any]:
        if p.ndim < 2:
            return {"variance": sized_zeros(p)}
        rows, columns = (*p.shape[:-1], 1), (*p.shape[:-2], 1, p.shape[-1])
        return {"row_var": np.zeros(rows, p.dtype), "col_var": np.zeros(columns, p.dtype)}

    def rule(self, p: Any, g: Any, slots: dict[str, Any], t: Any, h: SimpleNamespace) -> Any:
        floor, smallest = h.eps
        floor = float(np.finfo(p.dtype).eps) if floor is None else floor
        fresh = like(p, t ** float(h.beta2_decay))
        rate = maximum(_root_mean_square(p), smallest) * like(p, minimum(h.lr, t**-0.5))
        if h.weight_decay:
            p = p * like(p, 1.0 - h.lr * h.weight_decay)
        moments = {"variance": g * g}
        if p.ndim > 1:
            moments = {"row_var": _mean(g * g, (-1,)), "col_var": _mean(g * g, (-2,))}
        new = {name: slots[name] + fresh * (x - slots[name]) for name, x in moments.items()}
        if p.ndim > 1:
            row = new["row_var"]
            variance = row * new["col_var"] / maximum(_mean(row, (-2,)), floor)
        else:
            variance = new["variance"]
        u = g / sqrt(maximum(variance, floor * floor))
        return p - rate / maximum(_root_mean_square(u) / h.d, 1.0) * u, new
