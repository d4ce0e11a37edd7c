"""Backward passes with one mistake each: the algorithms that learners write before the right one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from koubai.diff import conform
from koubai.explain.local import message_of
from koubai.explain.record import Record, RecordEdge, RecordNode, in_its_slot

__all__ = ["MISTAKES", "Mistake", "gradients_with", "gradients_without"]

ACTIVATIONS = ("elu", "erf", "expit", "leaky_relu", "log_expit", "relu", "selu", "softplus", "tanh")

Rule = Callable[[RecordEdge, Any], Any]
Found = dict[RecordNode, Any]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One way to get backpropagation wrong.

    Attributes
    ----------
    key : str
    en, ja : str
        What the algorithm does, in a sentence.
    rule : callable or None
        ``rule(edge, upstream)`` is the wrong message; None where this edge is treated rightly.
    keeps : {"sum", "last"}
        What a node makes of the messages that arrive: their sum, or the last one.
    waits : bool
        Whether a node waits for all messages before it sends its own.
    """

    key: str
    en: str
    ja: str
    rule: Rule | None = None
    keeps: Literal["sum", "last"] = "sum"
    waits: bool = True


def gradients_with(record: Record, mistake: Mistake) -> Found:
    """What each node receives in the backward pass of the record when it is done with this mistake."""
    return _gradients(record, record.edges if mistake.waits else _as_met(record), mistake.rule, mistake.keeps)


def gradients_without(record: Record, missing: RecordEdge) -> Found:
    """What each node receives when one message is forgotten."""
    return _gradients(record, (edge for edge in record.edges if edge is not missing))


def _gradients(
    record: Record, edges: Iterable[RecordEdge], rule: Rule | None = None, keeps: Literal["sum", "last"] = "sum"
) -> Found:
    found: Found = {record.output: record.output.grad}
    for edge in edges:
        if edge.target in found:  # a node that only the missing message would reach sends none
            sent = _message(edge, found[edge.target], rule)
            before = found.get(edge.source)
            found[edge.source] = sent if before is None or keeps == "last" else _sum(before, sent)
    return found


def _as_met(record: Record) -> Iterator[RecordEdge]:
    """The edges in the order of a walk that follows each one as soon as it is met, as a simple recursion does."""
    leaving: dict[RecordNode, list[RecordEdge]] = {}
    for edge in record.edges:
        leaving.setdefault(edge.target, []).append(edge)
    started = {record.output}
    stack = [iter(leaving.get(record.output, ()))]
    while stack:
        for edge in stack[-1]:
            yield edge
            if edge.source not in started:
                started.add(edge.source)
                stack.append(iter(leaving.get(edge.source, ())))
                break
        else:
            stack.pop()


def _message(edge: RecordEdge, upstream: Any, rule: Rule | None) -> Any:
    wrong = None if rule is None or type(upstream) is tuple else rule(edge, upstream)
    if wrong is not None:
        return conform(wrong, edge.source.value)
    if edge.target.op == "output":
        return in_its_slot(upstream, edge.source, edge.target.params["index"])
    return message_of(edge.target._made, edge.position, upstream)


def _sum(a: Any, b: Any) -> Any:
    return tuple(x + y for x, y in zip(a, b)) if type(a) is tuple else a + b


# The rules. Each looks at the op that sends.


def _inputs(edge: RecordEdge) -> list[Any]:
    return [x.value if isinstance(x, RecordNode) else x for x in edge.target.inputs]


def _passed_through(edge: RecordEdge, g: Any) -> Any:
    return g if edge.target.op in ACTIVATIONS else None


def _input_for_output(edge: RecordEdge, g: Any) -> Any:
    if edge.target.op not in ACTIVATIONS or edge.target.operation is None:
        return None
    (x,) = _inputs(edge)
    return edge.target.operation.vjp[0](g, x, x, **edge.target.params)  # type: ignore[index,misc]


def _at_output(edge: RecordEdge, g: Any) -> Any:
    op, y = edge.target.operation, edge.target.value
    if edge.target.op not in ACTIVATIONS or op is None:
        return None
    return op.vjp[0](g, op.forward(y, **edge.target.params), y, **edge.target.params)  # type: ignore[index,misc]


def _own_input(edge: RecordEdge, g: Any) -> Any:
    return g * edge.source.value if edge.target.op == "multiply" else None


def _no_factor(edge: RecordEdge, g: Any) -> Any:
    if edge.target.op == "square":
        return g * edge.source.value
    exponent = _inputs(edge)[-1]
    if edge.target.op == "power" and edge.position == 0 and np.ndim(exponent) == 0 and exponent not in (0, 1):
        return message_of(edge.target._made, 0, g) / exponent
    return None


def _no_minus(edge: RecordEdge, g: Any) -> Any:
    subtracted = edge.target.op == "subtract" and edge.position == 1
    divisor = edge.target.op == "divide" and edge.position == 1
    if subtracted or divisor or edge.target.op == "negative":
        return -message_of(edge.target._made, edge.position, g)
    return None


def _last_row(edge: RecordEdge, g: Any) -> Any:
    source, target = edge.source, edge.target
    if target.op == "matmul" and edge.position == 1 and np.ndim(g) == 2:
        return _inputs(edge)[0][-1:].T @ g[-1:]
    factors = edge.local
    if not isinstance(factors, (np.ndarray, np.generic)) or source.shape == target.shape:
        return None
    sent = g * factors
    sent = sent[(-1,) * (sent.ndim - len(source.shape))] if sent.ndim > len(source.shape) else sent
    return sent[tuple(slice(-1, None) if n == 1 else slice(None) for n in source.shape)] if source.shape else sent


def _undivided(edge: RecordEdge, g: Any) -> Any:
    counts = edge.target.op == "divide" and edge.position == 0 and getattr(edge.source, "op", None) == "sum"
    if not counts or isinstance(edge.target.inputs[1], RecordNode):
        return None
    return g


def _untransposed(edge: RecordEdge, g: Any) -> Any:
    if edge.target.op != "matmul" or np.ndim(g) != 2:
        return None
    a, b = _inputs(edge)
    left, right = (g, b) if edge.position == 0 else (a, g)
    fits = np.ndim(left) == np.ndim(right) == 2 and left.shape[1] == right.shape[0]
    return left @ right if fits and (left.shape[0], right.shape[1]) == edge.source.shape else None


MISTAKES = (
    Mistake(
        "overwritten", "a later message overwrites the earlier ones instead of being added",
        "後から届いたメッセージを足し合わせず、前のものに上書きする", keeps="last",
    ),
    Mistake(
        "early", "a node sends its gradient on as soon as the first message arrives, without waiting for the others",
        "トポロジカル順序に従わず、最初のメッセージが届いた時点で先へ伝えてしまう", waits=False,
    ),
    Mistake(
        "product", "a product passes its input on as it is, instead of swapping its two inputs",
        "乗算の逆伝播で、二つの入力を入れ替えずに掛ける", rule=_own_input,
    ),
    Mistake(
        "activation", "the derivative of the activation function is left out",
        "活性化関数の微分を掛け忘れる", rule=_passed_through,
    ),
    Mistake(
        "activation_input", "the derivative of the activation function, written with its output y (as y(1 - y)), is "
        "taken with its input", "出力 y で書かれた活性化関数の微分(y(1 - y) など)に、入力の値を代入する",
        rule=_input_for_output,
    ),
    Mistake(
        "activation_output", "the derivative of the activation function is taken at its output instead of its input",
        "活性化関数の微分を、入力ではなく出力の値で計算する", rule=_at_output,
    ),
    Mistake(
        "exponent", "the derivative of a square or a power is left without its factor (x instead of 2x)",
        "二乗やべき乗の微分で係数を落とす(2x とすべきところを x とする)", rule=_no_factor,
    ),
    Mistake(
        "minus", "the minus sign of what is subtracted or divided by is forgotten",
        "引く側や割る側に付く負号を忘れる", rule=_no_minus,
    ),
    Mistake(
        "last_example", "what is used for all examples receives the message of the last one, not the sum over the "
        "batch",
        "バッチ全体で使われる値が、和ではなく最後のサンプルの分だけを受け取る", rule=_last_row,
    ),
    Mistake(
        "undivided", "the gradient of a mean is not divided by the number of its terms",
        "平均の勾配を個数で割り忘れる", rule=_undivided,
    ),
    Mistake(
        "untransposed", "the gradient of a matrix product is taken without transposing",
        "行列積の勾配で転置を忘れる", rule=_untransposed,
    ),
)  # fmt: skip
