"""What all optimizers share: the pure pair, groups, learning rates, and the step for hand-written loops."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.graph import Node
from koubai.ops.elementwise import imag, real
from koubai.ops.shape import astype, concatenate, reshape
from koubai.optim.hyper import Fixed, checked, fixed, is_schedule, unknown
from koubai.optim.trees import named_leaves, rebuilt

__all__ = ["Optimizer", "Stepping", "distinct", "like", "sized_zeros"]

State = dict[str, Any]


def like(x: Any, scalar: Any) -> Any:
    """A scalar in the dtype of `x`, so that a product keeps that dtype.

    Numbers become Python floats, which take their dtype from the array that they meet; traced scalars
    are cast. Both round once, to the same number.
    """
    return astype(scalar, dtype=x.dtype) if isinstance(scalar, Node) else float(scalar)


def sized_zeros(p: Any) -> Any:
    """Zeros of the shape and dtype of a parameter."""
    return np.zeros(p.shape, p.dtype)[()]


class Stepping:
    """The hand-written loop's side of an optimizer: `step` on top of ``init`` and ``update``.

    Attributes
    ----------
    state : dict or None
        What `step` keeps between calls; plain data, to be saved and put back.
    """

    state: State | None = None
    _known: frozenset[str] = frozenset()  # parameters of which the state has slots

    def init(self, params: Any) -> State:
        """The state before the first step: plain data, dicts of arrays and numbers.

        Parameters
        ----------
        params : dict from names to arrays, or any nesting of dicts, lists and tuples of arrays

        Raises
        ------
        UsageError
            If a group's pattern matches no parameter.
        DTypeError
            If a parameter is not of floating point or complex dtype.
        """
        self.check_names(named_leaves(params))
        return self._begin(params)

    def update(self, grads: Any, state: State, params: Any) -> tuple[Any, State]:
        """One step: the new parameters and the new state."""
        raise NotImplementedError

    def check_names(self, names: Any) -> None:
        """Refuse groups whose pattern matches none of the names."""
        raise NotImplementedError

    def step(self, model: Any) -> None:
        """Move the parameters of `model` once along the gradients that ``backward`` left in ``.grad``.

        Each parameter is given a new array, none is written in. Parameters that are frozen
        (``requires_grad`` False) or have no gradient stay as they are, with their state; tied ones move
        once.

        Parameters
        ----------
        model : Module, or dict of tensors
            Anything with ``named_parameters()``, or a dict from names to tensors.

        Raises
        ------
        UsageError
            If no parameter has a gradient, or a group matches no parameter.

        Examples
        --------
        >>> import koubai as kb
        >>> w = kb.tensor([1.0, 2.0], requires_grad=True)
        >>> (w * w).sum().backward()
        >>> kb.optim.SGD(lr=0.25).step({"w": w})
        >>> w
        tensor([0.5, 1. ], requires_grad=True)
        """
        tensors = distinct(model)
        trained = {name: p for name, p in tensors.items() if p.requires_grad}
        grads = {name: p.grad for name, p in trained.items()}
        if all(g is None for g in grads.values()):
            raise UsageError(
                f"{type(self).__name__}.step: none of the {len(trained)} trainable parameters has a gradient; "
                f"call backward() on the loss first"
            )
        params = {name: p.value for name, p in trained.items() if grads[name] is not None}
        grads = {name: grads[name] for name in params}
        if not self._known:
            self.check_names(tensors)
        if self.state is None or not self._known.issuperset(params):
            self.state = _extended(self.state, self._begin(params))
            self._known = self._known.union(params)
        moved, self.state = self.update(grads, self.state, params)
        for name, value in moved.items():
            trained[name].value = value

    def _begin(self, params: Any) -> State:
        """The first state, without a look at the groups' patterns."""
        raise NotImplementedError

    def extended(self, state: State, params: Any) -> State:
        """The state with slots for these parameters too, which are trained from now on.

        Examples
        --------
        >>> import numpy as np
        >>> import koubai as kb
        >>> optimizer = kb.optim.SGD(momentum=0.9)
        >>> state = optimizer.extended(optimizer.init({"a": np.ones(1)}), {"b": np.ones(2)})
        >>> list(state["slots"])
        ['a', 'b']
        """
        return _extended(state, self._begin(params))

    def observe(self, metric: float, state: State | None = None) -> State:
        """The state after a learning rate that follows a metric has seen its value.

        Without `state` it is the one of `step` that is read and replaced. Learning rates that do not
        follow a metric leave the state as it is.

        Raises
        ------
        UsageError
            If there is no state yet.
        """
        before = self.state if state is None else state
        if before is None:
            raise UsageError(f"{type(self).__name__}.observe: no step has been taken yet, so there is no state")
        after = self.observed(metric, before)
        if state is None:
            self.state = after
        return after

    def observed(self, metric: float, state: State) -> State:
        """The state after the metric has been seen."""
        raise NotImplementedError


def distinct(model: Any) -> dict[str, Any]:
    """The parameters by name; one that is used under several names under its first."""
    pairs = model.named_parameters() if hasattr(model, "named_parameters") else model.items()
    seen: set[int] = set()
    found = {}
    for name, p in pairs:
        if id(p) not in seen:
            seen.add(id(p))
            found[name] = p
    return found


def _extended(state: State | None, fresh: State) -> State:
    """The state, with what `fresh` has and it has not: the slots of parameters that are trained from now on."""
    if state is None:
        return fresh
    new = dict(state)
    for key, value in fresh.items():
        if key not in state:
            new[key] = value
        elif isinstance(value, dict):
            new[key] = _extended(state[key], value)
    return new


class Optimizer(Stepping):
    """A first-order optimizer: a rule that moves one parameter, applied to all.

    A subclass says what it remembers of a parameter (`slots`) and how it moves it (`rule`); both are
    pure, written with operators and ops, so that they compute on arrays and record on tensors.

    Parameters
    ----------
    groups : dict, optional
        From a pattern of parameter names (as in file names: ``"*.bias"``, ``"0.*"``) to the
        hyperparameters that differ there: ``{"*.bias": {"weight_decay": 0.0}}``. Where several match,
        the later one counts.
    options
        The hyperparameters.
    """

    kinds: ClassVar[Mapping[str, str]] = {}

    def __init__(self, groups: Mapping[str, Mapping[str, Any]] | None, **options: Any) -> None:
        who = type(self).__name__
        self.options: dict[str, Any] = Fixed(who, checked(who, options, self.kinds))
        self._resolved: dict[str, dict[str, Any]] = {}
        self.check_together(who, self.options)
        found = {}
        for pattern, changes in (groups or {}).items():
            where = f"{who}, group {pattern!r}"
            for name in changes:
                if name not in options:
                    raise unknown(where, "hyperparameter", name, options)
            found[pattern] = Fixed(where, checked(where, changes, self.kinds))
            self.check_together(where, {**options, **changes})
            if hasattr(changes.get("lr"), "observe"):
                raise UsageError(f"{where}: only the optimizer's own lr can follow a metric; give the group a number")
        self.groups: dict[str, dict[str, Any]] = Fixed(f"{who}, groups", found)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("options", ()):
            raise fixed(type(self).__name__, name)
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in self.options.items()]
        if self.groups:
            shown.append(f"groups={self.groups!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    # What a subclass gives.

    def check_together(self, where: str, options: Mapping[str, Any]) -> None:
        """Refuse combinations of hyperparameters that make no sense."""

    def slots(self, p: Any, h: SimpleNamespace) -> dict[str, Any]:
        """What is remembered of the parameter `p` before the first step."""
        return {}

    def rule(
        self, p: Any, g: Any, slots: dict[str, Any], t: Any, h: SimpleNamespace
    ) -> tuple[Any, dict[str, Any]]:
        """The parameter and its slots after step number `t`, counted from 1, along the gradient `g`."""
        raise NotImplementedError

    # The pure pair.

    def _begin(self, params: Any) -> State:
        slots = {}
        for name, p in named_leaves(params).items():
            if not hasattr(p, "dtype") or p.dtype.kind not in "fc":
                kind = getattr(p, "dtype", type(p).__name__)
                raise DTypeError(
                    f"{type(self).__name__}.init: expected floating-point parameters, {name!r} is {kind}"
                )
            h = SimpleNamespace(**self.options_of(name))
            h.lr = self._rate(h.lr, 0, None)
            slots[name] = {"step": 0, **self.slots(_split(p), h)}
        state: State = {"step": 0, "slots": slots}
        if hasattr(self.options["lr"], "observe"):
            state["plateau"] = self.options["lr"].init()
        return state

    def update(self, grads: Any, state: State, params: Any) -> tuple[Any, State]:
        """One step: the new parameters and the new state. Nothing that is given is written in.

        Parameters
        ----------
        grads : tree like `params`
            A gradient that is None or missing leaves its parameter, and what is remembered of it, alone.
        state : dict
            From `init`, or from the last update.
        params : tree of arrays

        Returns
        -------
        params : tree like `params`, each array with the dtype it had
        state : dict

        Raises
        ------
        UsageError
            If a gradient or the state belongs to other parameters.
        ShapeError
            If a gradient does not have its parameter's shape.
        """
        leaves = named_leaves(params)
        given = named_leaves(grads)
        slots = dict(state["slots"])
        who = f"{type(self).__name__}.update"
        for name in given:
            if name not in leaves:
                raise unknown(who, "parameter for the gradient", name, leaves)
        for name, p in leaves.items():
            g = given.get(name)
            if g is None:
                continue
            if name not in slots:
                raise UsageError(f"{who}: the state knows no parameter {name!r}; make it with init(params)")
            g = _fitting(who, name, g, p)
            h = SimpleNamespace(**self.options_of(name))
            h.lr = self._rate(h.lr, state["step"], state.get("plateau"))
            try:
                leaves[name], slots[name] = self._moved(p, g, slots[name], h)
            except KeyError as error:
                raise UsageError(
                    f"{who}: the state of {name!r} lacks {error}, so it is of another optimizer or of other options; "
                    f"make it with init(params)"
                ) from None
        return rebuilt(params, leaves), {**state, "step": state["step"] + 1, "slots": slots}

    def _moved(self, p: Any, g: Any, slot: dict[str, Any], h: SimpleNamespace) -> tuple[Any, dict[str, Any]]:
        t = slot["step"] + 1
        g = -g if h.maximize else g
        moved, remembered = self.rule(_split(p), _split(g), slot, t, h)
        return _joined(moved, p), {"step": t, **remembered}

    def rate_of(self, name: str, state: State) -> Any:
        """The learning rate that the next update uses for the parameter of this name."""
        return self._rate(self.options_of(name)["lr"], state["step"], state.get("plateau"))

    def _rate(self, lr: Any, step: Any, plateau: State | None) -> Any:
        if hasattr(lr, "observe"):
            return lr.init()["lr"] if plateau is None else plateau["lr"]
        return lr(step) if is_schedule(lr) else lr

    # Groups and metrics.

    def check_names(self, names: Any) -> None:
        for pattern in self.groups:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise unknown(type(self).__name__, "parameter that matches the group", pattern, names)

    def options_of(self, name: str) -> dict[str, Any]:
        """The hyperparameters of the parameter of this name, those of its groups included."""
        found = self._resolved.get(name)
        if found is None:
            found = dict(self.options)
            for pattern, changes in self.groups.items():
                if fnmatchcase(name, pattern):
                    found.update(changes)
            self._resolved[name] = found
        return found

    def observed(self, metric: float, state: State) -> State:
        if "plateau" not in state:
            return state
        return {**state, "plateau": self.options["lr"].observe(metric, state["plateau"])}


def _fitting(who: str, name: str, g: Any, p: Any) -> Any:
    """The gradient, in its parameter's dtype."""
    if not isinstance(g, Node):
        g = np.asarray(g)
    if tuple(g.shape) != tuple(p.shape):
        raise ShapeError(f"{who}: {name!r} has shape {tuple(p.shape)}, its gradient has {tuple(g.shape)}")
    if g.dtype == p.dtype:
        return g
    if g.dtype.kind == "c" and p.dtype.kind != "c":
        raise DTypeError(f"{who}: {name!r} is real ({p.dtype}), its gradient is complex ({g.dtype})")
    return astype(g, dtype=p.dtype)


def _split(x: Any) -> Any:
    """A complex array as real and imaginary parts along a last axis: two real parameters; a real one as is."""
    if x.dtype.kind != "c":
        return x
    shape = (*x.shape, 1)
    return concatenate(reshape(real(x), shape=shape), reshape(imag(x), shape=shape), axis=len(shape) - 1)


def _joined(x: Any, original: Any) -> Any:
    if original.dtype.kind != "c":
        return x
    return x[..., 0] + 1j * x[..., 1]
