"""Gradient descent and its nearest relatives: SGD with momentum, averaged SGD, resilient backpropagation."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from koubai.errors import UsageError
from koubai.ops.elementwise import clip, maximum, sign, where
from koubai.optim.hyper import is_schedule
from koubai.optim.optimizer import Optimizer, like, sized_zeros

__all__ = ["ASGD", "SGD", "Rprop"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    With the gradient g (plus ``weight_decay * p``), momentum m and dampening d::

        v <- m v + (1 - d) g        (v <- g at the first step)
        p <- p - lr v               (Nesterov: p <- p - lr (g + m v))

    Without momentum ``p <- p - lr g``.

    Parameters
    ----------
    lr : float or schedule, default 0.001
    momentum : float, default 0
    dampening : float, default 0
    weight_decay : float, default 0
        Strength of the L2 penalty ``weight_decay/2 |p|^2``, whose gradient is added.
    nesterov : bool, default False
        Look ahead along the momentum; needs momentum and no dampening.
    maximize : bool, default False
        Go up instead of down.
    groups : dict, optional
        Other hyperparameters for parameters by name pattern; see `Optimizer`.

    References
    ----------
    I. Sutskever, J. Martens, G. Dahl, G. Hinton, "On the importance of initialization and momentum in deep
    learning", ICML 2013.

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.SGD(lr=0.1, momentum=0.9)
    >>> params = {"w": np.array([1.0, 2.0])}
    >>> state = optimizer.init(params)
    >>> params, state = optimizer.update({"w": np.array([1.0, -1.0])}, state, params)
    >>> params["w"]
    array([0.9, 2.1])
    """

    def __init__(self, lr: Any = 1e-3, momentum: float = 0.0, dampening: float = 0.0, weight_decay: float = 0.0,
                 nesterov: bool = False, *, maximize: bool = False, groups: Any = None) -> None:  # fmt: skip
        super().__init__(groups, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                         nesterov=nesterov, maximize=maximize)  # fmt: skip

    def check_together(self, where: str, options: Mapping[str, Any]) -> None:
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            raise UsageError(f"{where}: nesterov needs momentum > 0 and dampening = 0")

    def slots(self, p: Any, h: SimpleNamespace) -> dict[str, Any]:
        return {"momentum_buffer": sized_zeros(p)} if h.momentum else {}

    def rule(self, p: Any, g: Any, slots: dict[str, Any], t: Any, h: SimpleNamespace) -> Any:
        if h.weight_decay:
            g = g + h.weight_decay * p
        if h.momentum:
            # The first buffer is the gradient itself, undamped.
            kept = 1.0 - h.dampening * where(t == 1, 0.0, 1.0) if h.dampening else 1.0
            v = h.momentum * slots["momentum_buffer"] + like(p, kept) * g
            slots = {"momentum_buffer": v}
            g = g + h.momentum * v if h.nesterov else v
        return p - like(p, h.lr) * g, slots


class ASGD(Optimizer):
    """Averaged stochastic gradient descent.

    At step t (from 1), with the gradient g (plus ``weight_decay * p``)::

        eta <- lr / (1 + lambd lr (t - 1))^alpha
        p   <- (1 - lambd eta) p - eta g
        ax  <- ax + (p - ax) / max(1, t - 1 - t0)

    The average ``ax`` of the iterates from step t0 on stands in the state.

    Parameters
    ----------
    lr : float or schedule, default 0.01
    lambd : float, default 1e-4
        Decay term.
    alpha : float, default 0.75
        Power with which the rate falls.
    t0 : float, default 1e6
        Step at which averaging starts.
    weight_decay : float, default 0
    maximize : bool, default False
    groups : dict, optional

    References
    ----------
    B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control
    Optim. 30 (1992).

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.ASGD(lr=0.5, lambd=0.0)
    >>> params = {"w": np.array([1.0])}
    >>> optimizer.update(params, optimizer.init(params), params)[0]["w"]
    array([0.5])
    """

    def __init__(self, lr: Any = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6,
                 weight_decay: float = 0.0, *, maximize: bool = False, groups: Any = None) -> None:  # fmt: skip
        super().__init__(groups, lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay,
                         maximize=maximize)  # fmt: skip

    def slots(self, p: Any, h: SimpleNamespace) -> dict[str, Any]:
        return {"ax": sized_zeros(p)}

    def rule(self, p: Any, g: Any, slots: dict[str, Any], t: Any, h: SimpleNamespace) -> Any:
        if h.weight_decay:
            g = g + h.weight_decay * p
        eta = h.lr / (1.0 + h.lambd * h.lr * (t - 1)) ** h.alpha
        p = like(p, 1.0 - h.lambd * eta) * p - like(p, eta) * g
        share = 1.0 / maximum(1.0, t - 1 - h.t0)
        return p, {"ax": slots["ax"] + like(p, share) * (p - slots["ax"])}


class Rprop(Optimizer):
    """Resilient backpropagation: only the signs of the gradients count, each weight has its own step size.

    With the gradient g, the previous one q, and the step size s of each weight::

        s <- clip(s * (eta+ if g q > 0, eta- if g q < 0, else 1), smallest, largest)
        g <- 0 where g q < 0
        p <- p - s sign(g)

    For full batches: noise in the signs of small batches makes the step sizes collapse.

    Parameters
    ----------
    lr : float, default 0.01
        The first step size of every weight; a schedule would have no effect and is refused.
    etas : (float, float), default (0.5, 1.2)
        Factors after a change of sign and after none.
    step_sizes : (float, float), default (1e-6, 50)
        Smallest and largest step size.
    maximize : bool, default False
    groups : dict, optional

    References
    ----------
    M. Riedmiller, H. Braun, "A direct adaptive method for faster backpropagation learning: the RPROP
    algorithm", IEEE ICNN 1993.

    Examples
    --------
    >>> import koubai as kb, numpy as np
    >>> optimizer = kb.optim.Rprop(lr=0.125)
    >>> params = {"w": np.array([1.0, -1.0])}
    >>> optimizer.update({"w": np.array([7.0, -0.1])}, optimizer.init(params), params)[0]["w"]
    array([ 0.875, -0.875])
    """

    def __init__(self, lr: float = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
                 step_sizes: tuple[float, float] = (1e-6, 50.0), *, maximize: bool = False,
                 groups: Any = None) -> None:  # fmt: skip
        super().__init__(groups, lr=lr, etas=etas, step_sizes=step_sizes, maximize=maximize)

    def check_together(self, where: str, options: Mapping[str, Any]) -> None:
        if is_schedule(options["lr"]):
            raise UsageError(f"{where}: lr is only the first step size, so a schedule has no effect; give a number")

    def slots(self, p: Any, h: SimpleNamespace) -> dict[str, Any]:
        return {"prev": sized_zeros(p), "step_size": np.full(p.shape, h.lr, p.dtype)[()]}

    def rule(self, p: Any, g: Any, slots: dict[str, Any], t: Any, h: SimpleNamespace) -> Any:
        shrink, grow = h.etas
        turn = sign(g * slots["prev"])
        size = slots["step_size"]
        size = clip(where(turn > 0, size * grow, where(turn < 0, size * shrink, size)), *h.step_sizes)
        g = where(turn < 0, 0.0, g)
        return p - sign(g) * size, {"prev": g, "step_size": size}
