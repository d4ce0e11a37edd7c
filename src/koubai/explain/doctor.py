"""The doctor: one forward and backward pass of a network, measured layer by layer, and what looks wrong in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from koubai import optim
from koubai.diff import messages
from koubai.errors import DTypeError, UsageError
from koubai.explain.findings import SATURATED_AT, SATURATED_ON, Finding, findings_of
from koubai.explain.spot import REARRANGING, Names, is_finite
from koubai.explain.table import table
from koubai.explain.trouble import Trouble, trouble_of
from koubai.graph import Node, calling, constant, recording, topological, tracing
from koubai.nn import Module, standing_in
from koubai.nn.examples import aligned, as_pair
from koubai.nn.losses.lookup import loss_function
from koubai.tensor import Tensor

__all__ = ["Checkup", "LayerCheck", "checkup"]


@dataclass(frozen=True, slots=True)
class LayerCheck:
    """One layer in one forward and backward pass.

    Attributes
    ----------
    path, kind : str
        Where it stands in the model, and its class.
    units : int or None
        Of a layer with a ReLU, tanh or sigmoid: how many units (columns, or channels of images) it has.
    dead : int or None
        How many of them, behind a ReLU, are 0 for every example.
    saturated : int or None
        How many of them, behind a tanh or sigmoid, lie for at least 90 % of the examples where the slope is below 6 %
        of the largest: ``|tanh| > 0.97``, the sigmoid below 0.015 or above 0.985. The model's own outputs do not count.
    message : float or None
        The norm of the gradient that arrives at its output.
    gradient, weight : float or None
        The norms of the gradient of its parameters, and of the parameters, all together.
    update : float or None
        How far its weights would move in a step, relative to their norm. Vectors (biases, scales) do not count.
    """

    path: str
    kind: str
    units: int | None = None
    dead: int | None = None
    saturated: int | None = None
    message: float | None = None
    gradient: float | None = None
    weight: float | None = None
    update: float | None = None

    @property
    def name(self) -> str:
        """Path and kind."""
        return f"{self.path} ({self.kind})" if self.path else self.kind


@dataclass(frozen=True, slots=True)
class Checkup:
    """What the doctor measured, and what looks wrong. ``str()`` is a table and the findings.

    Attributes
    ----------
    loss : float
    examples : int
    layers : tuple of LayerCheck
        In the order of the computation.
    findings : tuple of Finding
        Each with its evidence and advice, in English and Japanese; empty where nothing is off.
    trouble : Trouble or None
        The first value that is not finite.
    """

    loss: float
    examples: int
    layers: tuple[LayerCheck, ...]
    findings: tuple[Finding, ...]
    trouble: Trouble | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no finding."""
        return not self.findings

    def text(self, lang: str = "en") -> str:
        """The table and the findings."""
        en = lang == "en"
        n, value = self.examples, f"{self.loss:.6g}"
        head = f"loss {value} on {n} examples" if en else f"損失 {value}、{n} サンプル"
        names = (
            ("layer", "units", "dead", "saturated", "message", "gradient", "weights", "update/weight") if en
            else ("層", "ユニット", "不活性", "飽和", "受け取る勾配", "重みの勾配", "重み", "更新/重み")
        )  # fmt: skip
        rows = [names, *(_row(layer) for layer in self.layers)]
        none = "nothing looks wrong" if en else "異常は見つかりませんでした"
        said = [f"- {finding.text(lang)}" for finding in self.findings] or [none]
        return "\n".join([head, "", *table(rows, right_from=1), "", *said])

    def __str__(self) -> str:
        return self.text()

    def to_dict(self) -> dict[str, Any]:
        """Everything as dicts, lists, numbers and strings."""
        return {
            "loss": self.loss,
            "examples": self.examples,
            "layers": [asdict(layer) for layer in self.layers],
            "findings": [finding.to_dict() for finding in self.findings],
            "trouble": None if self.trouble is None else self.trouble.to_dict(),
        }


def checkup(model: Module, data: Any, loss: Any, *, optimizer: Any = None) -> Checkup:
    """Measure one training step of a model, layer by layer, and say what looks wrong.

    The model runs forward and backward once, in training mode. Nothing of it changes.

    Parameters
    ----------
    model : Module
    data : (x, t)
        Some examples and their targets; a few hundred say more about dead and saturated units than a small batch.
    loss : str or callable
        As in `koubai.fit`.
    optimizer : str or optimizer, optional
        As in `koubai.fit`: how far its first step would move the weights. Without, that is not looked at.

    Returns
    -------
    Checkup
        Its findings are of these kinds; what is measured, and from where on it counts, stands in docs/trouble.md:
        ``"not finite"``, ``"dead"``, ``"saturated"``, ``"vanishing"``, ``"exploding"``, ``"unused"``,
        ``"large update"``, ``"small update"``.

    Raises
    ------
    DTypeError, UsageError, DataError, ShapeError
        If model, data, loss or optimizer cannot be right.

    Examples
    --------
    >>> import koubai as kb
    >>> x, t = kb.data.load("iris")
    >>> model = kb.nn.Sequential(kb.nn.Linear(4, 8), kb.nn.ReLU(), kb.nn.Linear(8, 3))
    >>> kb.checkup(model, (x - x.mean(axis=0), t), "cross_entropy", optimizer="adam").ok
    True
    >>> model[0].bias.assign(model[0].bias.numpy() - 100)
    >>> [finding.kind for finding in kb.checkup(model, (x, t), "cross_entropy").findings]
    ['dead']
    """
    if not isinstance(model, Module):
        raise DTypeError(f"checkup: expected the model to be a kb.nn.Module, got {type(model).__name__}")
    chosen = None if optimizer is None else optim.get(optimizer)
    if chosen is not None and not hasattr(chosen, "update"):
        raise UsageError(
            f"checkup: {type(chosen).__name__} evaluates the loss several times a step; leave optimizer away"
        )
    function = loss_function(loss)
    x, t = as_pair(data, model)
    with np.errstate(all="ignore"):
        y, output = _forward(model, function, x, t)
        seen = _Backward(model, output)
        trouble = None
        if not (is_finite(output.value) and all(map(is_finite, seen.grads.values()))):
            trouble = trouble_of(output, None, Names(topological([output])))
        layers = tuple(_layers(model, y, output, seen, _updates(model, seen, chosen)))
    unused = [name for name, p in model.named_parameters() if p.requires_grad and name not in seen.grads]
    found = findings_of(layers, len(x), unused, trouble)
    return Checkup(float(output.value), len(x), layers, tuple(found), trouble)


def _forward(model: Module, loss: Any, x: Any, t: Any) -> tuple[Any, Any]:
    """The model's output and the loss, as nodes, with everything recorded."""
    kept, all_recorded, calls = recording.set(True), tracing.set(True), calling.set(None)
    try:
        with _training(model), standing_in(model, {}):
            y = model(constant(x, Tensor))
            output = loss(y, aligned(t, y))
    finally:
        calling.reset(calls)
        tracing.reset(all_recorded)
        recording.reset(kept)
    if not isinstance(output, Node) or output.shape != () or not output.requires_grad:
        raise UsageError("checkup: the loss must return a tensor with one number that depends on the model's outputs")
    return y, output


@contextmanager
def _training(model: Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


class _Backward:
    """The gradients of one backward pass.

    Attributes
    ----------
    grads : dict from a parameter's path to its gradient
    norms : dict from each node that received a message to the norm of its gradient
    """

    def __init__(self, model: Module, output: Any) -> None:
        names = {p: name for name, p in model.named_parameters()}
        leaves = [node for node in topological([output]) if node.op is None and node.requires_grad]
        found: dict[Any, Any] = {}
        self.norms: dict[Any, float] = {}
        for message in messages([output], [output.value.dtype.type(1)], leaves, found, record=False):
            if message.user not in self.norms and not isinstance(message.upstream, (list, tuple)):
                self.norms[message.user] = _norm([message.upstream])
        self.grads = {names[leaf]: g for leaf, g in found.items() if leaf in names and g is not None}


def _updates(model: Module, seen: _Backward, optimizer: Any) -> dict[str, Any]:
    """By how much the optimizer's first step would change each parameter."""
    params = {name: p.value for name, p in model.named_parameters() if name in seen.grads}
    if optimizer is None or not params:
        return {}
    moved, _ = optimizer.update(seen.grads, optimizer.init(params), params)
    return {name: moved[name] - params[name] for name in params}


def _layers(model: Module, y: Any, output: Any, seen: _Backward, updates: Mapping[str, Any]) -> Iterator[LayerCheck]:
    by_call: dict[Any, list[Any]] = {}
    for node in topological([output]):
        if node.call is not None and node.op is not None:
            by_call.setdefault(node.call, []).append(node)
    owned: dict[str, dict[str, Any]] = {}
    for name, p in model.named_parameters():
        owned.setdefault(name.rpartition(".")[0], {})[name] = p
    outputs = _handed_on(y)
    for call, nodes in sorted(by_call.items(), key=lambda item: item[1][-1].number):
        mine = owned.pop(call.path, {})
        counts = _units([node for node in nodes if node not in outputs])
        message = seen.norms.get(nodes[-1], 0.0 if nodes[-1].requires_grad else None)
        yield LayerCheck(call.path, call.kind, *counts, message=message, **_parameters(mine, seen, updates))
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    for path, mine in owned.items():  # of modules that others read from
        yield LayerCheck(path, kinds[path], **_parameters(mine, seen, updates))


def _parameters(mine: Mapping[str, Any], seen: _Backward, updates: Mapping[str, Any]) -> dict[str, Any]:
    if not mine:
        return {}
    matrices = [name for name, p in mine.items() if name in updates and p.ndim > 1 and np.any(p.value)]
    moved = None
    if matrices:
        moved = _norm([updates[name] for name in matrices]) / _norm([mine[name].value for name in matrices])
    gradient = _norm([seen.grads[name] for name in mine if name in seen.grads])
    return {"gradient": gradient, "weight": _norm([p.value for p in mine.values()]), "update": moved}


def _handed_on(y: Any) -> set[Any]:
    """The model's output, and what it is another shape of."""
    found = {y} if isinstance(y, Node) else set()
    while isinstance(y, Node) and y.op is not None and y.op.name in REARRANGING:
        y = y.inputs[0]
        found.add(y)
    return found


def _units(nodes: list[Any]) -> tuple[int | None, int | None, int | None]:
    """How many units there are behind activations, and how many of them are dead and saturated."""
    units, dead, saturated = 0, None, None
    for node in nodes:
        kind = node.op.name
        if kind not in ("relu", "tanh", "expit") or node.ndim < 2:
            continue
        rows = np.moveaxis(node.value, 1 if node.ndim > 3 else -1, 0)
        rows = rows.reshape(len(rows), -1)
        units += len(rows)
        if kind == "relu":
            dead = (dead or 0) + int((rows <= 0).all(axis=1).sum())
        else:
            far = np.abs(rows if kind == "tanh" else 2 * rows - 1) > SATURATED_AT
            saturated = (saturated or 0) + int((far.mean(axis=1) >= SATURATED_ON).sum())
    return units or None, dead, saturated


def _norm(arrays: list[Any]) -> float:
    """The norm of all arrays together."""
    return float(np.sqrt(sum(float((np.abs(np.asarray(a, np.result_type(a, float))) ** 2).sum()) for a in arrays)))


def _row(layer: LayerCheck) -> tuple[str, ...]:
    numbers = (layer.message, layer.gradient, layer.weight, layer.update)
    counts = (layer.units, layer.dead, layer.saturated)
    return (
        layer.name,
        *("" if n is None else str(n) for n in counts),
        *("" if v is None else f"{v:.2e}" for v in numbers),
    )
