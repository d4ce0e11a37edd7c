"""Adam and its family: first and second moments of the gradient, corrected for their start at zero."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from koubai.ops.elementwise import absolute, maximum, sqrt, where
from koubai.optim.optimizer import Optimizer, like, sized_zeros

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]


def _moments(g: Any, slots: dict[str, Any], betas: tuple[float, float]) -> tuple[Any, Any]:
    """Running means of the gradient and of its square."""
    first, second = betas
    m = first * slots["exp_avg"] + (1.0 - first) * g
    v = second * slots["exp_avg_sq"] + (1.0 - second) * (g * g)
    return m, v


def _decayed(p: Any, g: Any, h: SimpleNamespace) -> tuple[Any, Any]:
    """Parameter and gradient after weight decay: on the parameter where decoupled, else in the gradient."""
    if not h.weight_decay:
        return p, g
    if h.decoupled_weight_decay:
        return p * like(p, 1.0 - h.lr * h.weight_decay), g
    return p, g + h.weight_decay * p


class _Moments(Optimizer):
    """An optimizer that remembers both moments."""

    def slots(self, p: Any, h: SimpleNamespace) -> dict[str, Any]:
        return {"exp_avg": sized_zeros(p), "exp_avg_sq": sized_zeros(p)}


class Adam(_Moments):
    """Adaptive moment estimation.

    At step t (from 1), with the gradient g (plus ``weight_decay * p``) and betas (b1, b2)::

        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) g^2
        p <- p - lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps)

    Parameters
    ----------
    lr : float or schedule, default 0.001
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
    amsgrad : bool, default False
        Divide by the largest v so far instead of the last one.
    maximize : bool, default False
    decoupled_weight_decay : bool, default False
        Shrink the weights themselves, as `AdamW` does.
    groups : dict, optional

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015. amsgrad: S. J. Reddi,
    S. Kale, S. Kumar, "On the convergence of Adam and beyond", ICLR 2018.

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.Adam(lr=0.5, eps=0.0)
    >>> params = {"w": np.array([1.0, 2.0])}
    >>> optimizer.update({"w": np.array([0.01, -40.0])}, optimizer.init(params), params)[0]["w"]
    array([0.5, 2.5])
    """

    def __init__(self, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0.0, amsgrad: bool = False, *, maximize: bool = False,
                 decoupled_weight_decay: bool = False, groups: Any = None) -> None:  # fmt: skip
        super().__init__(groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad,
                         maximize=maximize, decoupled_weight_decay=decoupled_weight_decay)  # fmt: skip

    def slots(self, p: Any, h: SimpleNamespace) -> dict[str, Any]:
        largest = {"max_exp_avg_sq": sized_zeros(p)} if h.amsgrad else {}
        return {**super().slots(p, h), **largest}

    def rule(self, p: Any, g: Any, slots: dict[str, Any], t: Any, h: SimpleNamespace) -> Any:
        p, g = _decayed(p, g, h)
        m, v = _moments(g, slots, h.betas)
        new = {"exp_avg": m, "exp_avg_sq": v}
        if h.amsgrad:
            v = new["max_exp_avg_sq"] = maximum(slots["max_exp_avg_sq"], v)
        first, second = (1.0 - beta**t for beta in h.betas)
        scale = sqrt(v) / like(p, sqrt(second)) + h.eps
        return p - like(p, h.lr / first) * (m / scale), new


class AdamW(Adam):
    """Adam with decoupled weight decay: ``p <- (1 - lr weight_decay) p`` before Adam's step.

    The decay does not pass through the moments, so that it is as strong for weights with large gradients.

    Parameters
    ----------
    lr : float or schedule, default 0.001
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0.01
    amsgrad : bool, default False
    maximize : bool, default False
    groups : dict, optional

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019.

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.AdamW(lr=0.5, weight_decay=0.5)
    >>> params = {"w": np.array([1.0])}
    >>> optimizer.update({"w": np.array([0.0])}, optimizer.init(params), params)[0]["w"]
    array([0.75])
    """

    def __init__(self, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
                 groups: Any = None) -> None:  # fmt: skip
        super().__init__(lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True,
                         groups=groups)  # fmt: skip


class Adamax(Optimizer):
    """Adam with the infinity norm in place of the second moment.

    At step t (from 1), with the gradient g (plus ``weight_decay * p``) and betas (b1, b2)::

        m <- b1 m + (1 - b1) g
        u <- max(b2 u, |g| + eps)
        p <- p - lr / (1 - b1^t) * m / u

    Parameters
    ----------
    lr : float or schedule, default 0.002
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
    maximize : bool, default False
    groups : dict, optional

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 7.

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.Adamax(lr=0.5, eps=0.0)
    >>> params = {"w": np.array([1.0, 2.0])}
    >>> optimizer.update({"w": np.array([3.0, -4.0])}, optimizer.init(params), params)[0]["w"]
    array([0.5, 2.5])
    """

    def __init__(self, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0.0, *, maximize: bool = False, groups: Any = None) -> None:  # fmt: skip
        super().__init__(groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize)

    def slots(self, p: Any, h: SimpleNamespace) -> dict[str, Any]:
        return {"exp_avg": sized_zeros(p), "exp_inf": sized_zeros(p)}

    def rule(self, p: Any, g: Any, slots: dict[str, Any], t: Any, h: SimpleNamespace) -> Any:
        first, second = h.betas
        if h.weight_decay:
            g = g + h.weight_decay * p
        m = first * slots["exp_avg"] + (1.0 - first) * g
        u = maximum(second * slots["exp_inf"], absolute(g) + h.eps)
        return p - like(p, h.lr / (1.0 - first**t)) * (m / u), {"exp_avg": m, "exp_inf": u}


class NAdam(_Moments):
    """Adam with Nesterov momentum.

    At step t (from 1), with the gradient g (plus ``weight_decay * p``), betas (b1, b2) and m, v as in Adam::

        mu(t) = b1 (1 - 0.96^(t momentum_decay) / 2),   M(t) = mu(1) ... mu(t)
        p <- p - lr ((1 - mu(t)) / (1 - M(t)) g + mu(t+1) / (1 - M(t+1)) m) / (sqrt(v / (1 - b2^t)) + eps)

    Parameters
    ----------
    lr : float or schedule, default 0.002
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
    momentum_decay : float, default 0.004
    decoupled_weight_decay : bool, default False
    maximize : bool, default False
    groups : dict, optional

    References
    ----------
    T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR 2016 workshop.

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.NAdam()
    >>> params = {"w": np.array([1.0])}
    >>> params, state = optimizer.update(params, optimizer.init(params), params)
    >>> round(state["slots"]["w"]["mu_product"], 6)
    0.450073
    """

    def __init__(self, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0.0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False,
                 *, maximize: bool = False, groups: Any = None) -> None:  # fmt: skip
        super().__init__(groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
                         momentum_decay=momentum_decay, decoupled_weight_decay=decoupled_weight_decay,
                         maximize=maximize)  # fmt: skip

    def slots(self, p: Any, h: SimpleNamespace) -> dict[str, Any]:
        return {**super().slots(p, h), "mu_product": 1.0}

    def rule(self, p: Any, g: Any, slots: dict[str, Any], t: Any, h: SimpleNamespace) -> Any:
        p, g = _decayed(p, g, h)
        m, v = _moments(g, slots, h.betas)
        first, second = h.betas
        mu, ahead = (first * (1.0 - 0.5 * 0.96 ** (k * h.momentum_decay)) for k in (t, t + 1))
        product = slots["mu_product"] * mu
        scale = sqrt(v / like(p, 1.0 - second**t)) + h.eps
        now = like(p, h.lr * (1.0 - mu) / (1.0 - product)) * (g / scale)
        momentum = like(p, h.lr * ahead / (1.0 - product * ahead)) * (m / scale)
        return p - now - momentum, {"exp_avg": m, "exp_avg_sq": v, "mu_product": product}


class RAdam(_Moments):
    """Adam that waits with the second moment until its variance is tractable.

    At step t (from 1), with m, v as in Adam and betas (b1, b2)::

        r_inf = 2/(1 - b2) - 1,   r = r_inf - 2 t b2^t / (1 - b2^t)
        if r > 5:   p <- p - lr m / (1 - b1^t) * sqrt(1 - b2^t) / (sqrt(v) + eps)
                             * sqrt((r - 4)(r - 2) r_inf / ((r_inf - 4)(r_inf - 2) r))
        else:       p <- p - lr m / (1 - b1^t)

    Parameters
    ----------
    lr : float or schedule, default 0.001
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
    decoupled_weight_decay : bool, default False
    maximize : bool, default False
    groups : dict, optional

    References
    ----------
    L. Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020.

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.RAdam(lr=0.5)
    >>> params = {"w": np.array([1.0])}
    >>> optimizer.update(params, optimizer.init(params), params)[0]["w"]
    array([0.5])
    """

    def __init__(self, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0.0, decoupled_weight_decay: bool = False, *, maximize: bool = False,
                 groups: Any = None) -> None:  # fmt: skip
        super().__init__(groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
                         decoupled_weight_decay=decoupled_weight_decay, maximize=maximize)  # fmt: skip

    def rule(self, p: Any, g: Any, slots: dict[str, Any], t: Any, h: SimpleNamespace) -> Any:
        p, g = _decayed(p, g, h)
        m, v = _moments(g, slots, h.betas)
        first, second = (1.0 - beta**t for beta in h.betas)
        return p - like(p, h.lr / first) * m * _rectified(p, v, t, second, h), {"exp_avg": m, "exp_avg_sq": v}


def _rectified(p: Any, v: Any, t: Any, second: Any, h: SimpleNamespace) -> Any:
    """RAdam's factor beside lr and the mean gradient: 1 until the second moment's variance is tractable."""
    limit = 2.0 / (1.0 - h.betas[1]) - 1.0
    if limit <= 5.0:
        return 1.0
    length = limit - 2.0 * t * (1.0 - second) / second
    # Where it is not tractable the root is that at 5, so that no negative number comes under it.
    r = maximum(length, 5.0)
    root = sqrt((r - 4.0) * (r - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * r) * second)
    return where(length > 5.0, like(p, root) / (sqrt(v) + h.eps), like(p, 1.0))
