"""A network of dense layers, explained layer by layer: six steps for the output layer, five for each hidden one.

Indices as in most textbooks: i counts the layer before, j a hidden layer, k the output layer; u is what goes into an
activation, y what comes out of it, E the error, and delta the gradient of u.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice, product
from typing import Any

from koubai.explain.computation import backward_line, forward_line
from koubai.explain.dense import DenseLayer
from koubai.explain.derivation import Line, Section
from koubai.explain.formula import Expr, Symbol, formula_of, parse
from koubai.explain.instances import instance
from koubai.explain.layers import Layer, Number, Numbers
from koubai.explain.phrases import Phrases
from koubai.explain.replay import Agreement

__all__ = ["network_sections"]

MOST = 4  # lines of one quantity; of more the first three are shown
SHOWN = 3
OUTPUTS = {"sigmoid": "1/(1 + e^-u_k)", "softmax": "e^u_k/(sum_q e^u_q)"}  # activations inside of losses

Compared = Callable[..., Agreement | None]


def network_sections(layers: Sequence[DenseLayer], error: Any, target: Any, loss: Any, say: Phrases) -> list[Section]:
    """The derivation for one example: forward, the output layer's six steps, five for each hidden layer.

    Parameters
    ----------
    layers, error, target, loss
        As for `Numbers`.
    say : Phrases
    """
    return _Steps(Numbers(layers, error, target, loss), say).sections()


class _Steps:
    def __init__(self, numbers: Numbers, say: Phrases) -> None:
        self._numbers, self._say = numbers, say

    def sections(self) -> list[Section]:
        say, layers = self._say, self._numbers.layers
        found = [Section(say("net forward"), tuple(self._forward()), say("net indices"))]
        if self._numbers.words is None:
            found.append(Section(say("net loss"), tuple(self._own_loss()), say("net loss text")))
        found.append(self._output_layer())
        return found + [self._hidden_layer(layer) for layer in reversed(layers[:-1])]

    def _forward(self) -> list[Line]:
        say, numbers, lines = self._say, self._numbers, []
        for layer in numbers.layers:
            a, b = layer.a, layer.b
            total = f"sum_{a} w_{a}{b} {layer.below}_{a}" + (f" + b_{b}" if layer.bias is not None else "")
            title = say("net layer", path=layer.layer.path, before=len(layer.before), units=len(layer.u))
            lines += self._block(layer, f"u_{b}", total, b, layer.u.__getitem__, note=title)
            note = say("net activation", name=layer.kind) if layer.kind else say("net identity")
            lines += self._block(layer, f"y_{b}", self._activation(layer), b, layer.y.__getitem__, note=note)
        if numbers.words is not None:
            error = numbers.error.value
            lines += self._block(numbers.top, "E", numbers.words.error, "", lambda: error, note=say("net error"))
        return lines

    def _own_loss(self) -> list[Line]:
        """Forward and backward through a loss that is the user's: from the output layer to E."""
        record, replay = self._numbers.record, self._numbers.replay
        after = record.nodes[record[self._numbers.top.layer.y].index + 1 :]
        forward = [forward_line(node, self._say) for node in after if node.op is not None]
        backward = [node for node in reversed(after) if node.grad is not None]
        return forward + [backward_line(record, node, replay, self._say) for node in backward]

    def _output_layer(self) -> Section:
        top, numbers, say = self._numbers.top, self._numbers, self._say
        slope = None if numbers.words is None else numbers.words.slope
        slopes = numbers.error_slope()
        lines = self._block(top, "dE/dy_k", slope, "k", slopes, numbers.at_output, f"(1) {say('step loss')}")
        if top.inner == "softmax":
            lines += self._softmax()
        else:
            lines += self._activation_step(top, 1) + self._delta_step(top, 2, "step delta")
        title = say("net output", path=top.layer.path, kind=self._with(top))
        return Section(title, tuple(lines + self._lower_steps(top, 4)), say("six steps"))

    def _hidden_layer(self, layer: Layer) -> Section:
        say = self._say
        lines = self._activation_step(layer, 0) + self._delta_step(layer, 1, "step hidden delta")
        title = say("net hidden", path=layer.layer.path, kind=self._with(layer))
        return Section(title, tuple(lines + self._lower_steps(layer, 3)), say("five steps"))

    def _with(self, layer: Layer) -> str:
        return self._say("net with", name=layer.kind) if layer.kind else ""

    def _activation_step(self, layer: Layer, before: int) -> list[Line]:
        b, note = layer.b, f"({before + 1}) {self._say('step activation')}"
        compared = partial(self._numbers.at_slope, layer)
        return self._block(layer, f"dy_{b}/du_{b}", self._slope(layer), b, layer.slope, compared, note)

    def _delta_step(self, layer: Layer, before: int, key: str) -> list[Line]:
        b, note = layer.b, f"({before + 1}) {self._say(key)}"
        compared = partial(self._numbers.at, layer.delta, 0)
        delta = self._numbers.delta(layer)
        return self._block(layer, f"delta_{b}", f"dE/dy_{b} dy_{b}/du_{b}", b, delta, compared, note)

    def _softmax(self) -> list[Line]:
        """Steps two and three where every output depends on every u: a full Jacobian, and how the sum collapses."""
        top, say = self._numbers.top, self._say
        general = [
            _general("dy_q/du_k", "y_q ((q == k) - y_k)", f"(2) {say('step softmax')}"),
            _general("delta_k", "sum_q dE/dy_q dy_q/du_k", f"(3) {say('step softmax sum')}"),
            _general("delta_k", "sum_q (-t_q/y_q) y_q ((q == k) - y_k)", say("step softmax put")),
            _general("delta_k", "-sum_q t_q ((q == k) - y_k)", ""),
            _general("delta_k", "y_k sum_q t_q - t_k", say("step softmax ones")),
        ]
        compared = partial(self._numbers.at, top.delta, 0)
        return general + self._block(top, "delta_k", "y_k - t_k", "k", self._numbers.delta(top), compared)

    def _lower_steps(self, layer: Layer, number: int) -> list[Line]:
        """The gradients of bias, weights and inputs, from that of u."""
        numbers, linear = self._numbers, layer.layer.linear
        a, b, x = layer.a, layer.b, layer.below
        keys = ("bias", "weight", "through", "chain", "vanish")
        notes = {key: self._say(f"step {key}", below=x, a=a, b=b) for key in keys}
        block, delta = partial(self._block, layer), numbers.delta(layer)
        lines: list[Line] = []
        if layer.bias is not None and layer.bias.requires_grad:
            at = partial(numbers.at, linear.bias)
            lines += block(f"dE/db_{b}", f"delta_{b}", b, numbers.gradient(linear.bias), at, notes["bias"])
        if not linear.weight.requires_grad:
            lines.append(_general(f"dE/dw_{a}{b}", f"{x}_{a} delta_{b}", f"({number}) {self._say('step frozen')}"))
        else:
            gradient, at = numbers.gradient(linear.weight), partial(numbers.at, linear.weight)
            lines += block(f"dE/dw_{a}{b}", f"{x}_{a} delta_{b}", a + b, gradient, at, f"({number}) {notes['weight']}")
        through, at = lambda j, k: layer.w[j, k] * delta(k), partial(numbers.by_way_of, layer)
        lines += block(f"w_{a}{b} delta_{b}", None, a + b, through, at, f"({number + 1}) {notes['through']}")
        chain = f"sum_{b} dE/du_{b} du_{b}/d{x}_{a}"
        lines.append(_general(f"dE/d{x}_{a}", chain, f"({number + 2}) {notes['chain']}"))
        lines.append(_general(f"du_{b}/d{x}_{a}", f"w_{a}{b}", notes["vanish"]))
        before = layer.layer.before
        at = partial(numbers.at, before, 0)
        return lines + block(f"dE/d{x}_{a}", f"sum_{b} w_{a}{b} delta_{b}", a, numbers.gradient(before), at)

    def _block(
        self, layer: Layer, symbol: str, formula: str | None, letters: str, result: Number,
        compared: Compared | None = None, note: str = "",
    ) -> list[Line]:  # fmt: skip
        """A quantity in general, and for the first units with numbers put in.

        Parameters
        ----------
        formula : str or None
            What it is equal to; None for what the symbol itself says, or where there is no formula.
        letters : str
            The indices of the quantity.
        result, compared : callables of these indices
        """
        units = self._numbers.units
        ranges = {layer.a: len(layer.before), layer.b: len(layer.u), "k": units, "q": units}
        values, name = self._numbers.of(layer), parse(symbol)
        general = name if formula is None else parse(formula)
        lines = [_general(symbol, formula, note)]
        places = list(islice(product(*(range(ranges[letter]) for letter in letters)), MOST + 1))
        for place in places if len(places) <= MOST else places[:SHOWN]:
            at = dict(zip(letters, place))
            steps = [instance(name, at, {}), instance(general, at, ranges), instance(general, at, ranges, values)]
            distinct = [step for step, before in zip(steps[1:], steps) if step != before]
            found = None if compared is None else compared(*place)
            lines.append(Line(steps[0], tuple(distinct), result(*place) + 0.0, found))  # + 0.0: no -0
        return lines

    def _activation(self, layer: Layer) -> str:
        if layer.inner:
            return OUTPUTS[layer.inner]
        if layer.layer.activation is None:
            return f"u_{layer.b}"
        formula = _of_op(layer)
        return f"f(u_{layer.b})" if formula is None else str(formula.right.substitute(_names(layer, formula)))

    def _slope(self, layer: Layer) -> str:
        if layer.inner:
            return "y_k (1 - y_k)"
        if layer.layer.activation is None:
            return "1"
        formula = _of_op(layer)
        if formula is None or formula.derivatives[0] is None:
            return f"f'(u_{layer.b})"
        return str(formula.derivatives[0].right.substitute(_names(layer, formula)))


def _general(symbol: str, formula: str | None, note: str) -> Line:
    return Line(parse(symbol), () if formula is None else (parse(formula),), note=note)


def _of_op(layer: Layer) -> Any:
    """The formulas of an activation that is one op of u; None for others."""
    y = layer.layer.y
    return formula_of(y.op) if y.op is not None and len(y.inputs) == 1 and y.inputs[0] is layer.layer.u else None


def _names(layer: Layer, formula: Any) -> dict[Any, Expr]:
    return {formula.symbols[0]: Symbol("u", layer.b), formula.result: Symbol("y", layer.b)}
