"""Spots in words, English and Japanese."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.explain.spot import Operand, Spot

__all__ = ["ADVICE", "number", "place", "sentence"]

# What an op does with what it is given; {0}, {1} are numbers, or "values from 1 to 2".
EN = {
    "add": "{0} plus {1}", "subtract": "{0} minus {1}", "multiply": "{0} times {1}", "divide": "{0} divided by {1}",
    "power": "{0} to the power {1}", "square": "square of {0}", "sqrt": "square root of {0}",
    "cbrt": "cube root of {0}", "reciprocal": "1 divided by {0}", "absolute": "absolute value of {0}",
    "log1p": "log of 1 plus {0}", "expm1": "exp of {0} minus 1", "expit": "sigmoid of {0}",
    "arctan2": "arctan2 of {0} and {1}", "matmul": "matrix product of {0} and {1}", "prod": "product of {0}",
    "det": "determinant of {0}", "inv": "inverse of {0}", "astype": "conversion of {0} to another dtype",
    "floor_divide": "{0} divided by {1}, rounded down", "remainder": "{0} modulo {1}",
}  # fmt: skip
JA = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} × {1}", "divide": "{0} ÷ {1}",
    "power": "{0} の {1} 乗", "square": "{0} の2乗", "sqrt": "{0} の平方根", "cbrt": "{0} の立方根",
    "reciprocal": "1 ÷ {0}", "absolute": "{0} の絶対値", "log": "{0} の対数", "log1p": "1 + {0} の対数",
    "expit": "{0} のシグモイド", "matmul": "{0} と {1} の行列積", "sum": "{0} の総和", "prod": "{0} の総積",
    "det": "{0} の行列式", "inv": "{0} の逆行列", "astype": "{0} の dtype 変換", "remainder": "{0} を {1} で割った余り",
}  # fmt: skip

_LOG = {
    "en": "keep its argument above 0, or compute the loss from logits (cross_entropy, log_softmax)",
    "ja": "引数を 0 より大きく保つか、損失をロジットから計算してください(cross_entropy、log_softmax)",
}
_DIVIDE = {
    "en": "keep the denominator away from 0, for instance by adding a small number to it",
    "ja": "分母が 0 にならないよう、小さな数を足すなどしてください",
}
_EXP = {
    "en": "subtract the largest value first (softmax and logsumexp do), or lower the learning rate",
    "ja": "先に最大値を引くか(softmax や logsumexp はそうします)、学習率を下げてください",
}
_ROOT = {
    "en": "its slope is infinite at 0: add a small number under the root",
    "ja": "0 での傾きは無限大です。根号の中に小さな数を足してください",
}
ADVICE: dict[tuple[str, str], dict[str, str]] = {
    **{("forward", op): _LOG for op in ("log", "log2", "log10", "log1p", "xlogy")},
    **{("backward", op): _LOG for op in ("log", "log2", "log10")},
    **{("forward", op): _DIVIDE for op in ("divide", "reciprocal")},
    **{("backward", op): _DIVIDE for op in ("divide", "reciprocal")},
    **{("forward", op): _EXP for op in ("exp", "exp2", "expm1", "sinh", "cosh")},
    **{("backward", op): _ROOT for op in ("sqrt", "cbrt", "power")},
}


def sentence(spot: Spot, lang: str, epoch: int | None, step: int | None) -> str:
    """The spot as one sentence."""
    return _japanese(spot, epoch, step) if lang == "ja" else _english(spot, epoch, step)


def number(x: Any) -> str:
    """A number with up to six digits."""
    if isinstance(x, (bool, np.bool_)):
        return str(bool(x))
    return "NaN" if x != x else f"{x:.6g}"


def place(index: tuple[int, ...], lang: str) -> str:
    """Where an element stands in its array."""
    if not index:
        return ""
    if len(index) > 2:
        where = ", ".join(map(str, index))
        return f"index ({where})" if lang == "en" else f"添字 ({where})"
    words = ("row", "column") if lang == "en" else ("行", "列")
    if len(index) == 1:
        return f"{'element' if lang == 'en' else '要素'} {index[0]}"
    return (", " if lang == "en" else "・").join(f"{w} {i}" for w, i in zip(words, index))


def _english(spot: Spot, epoch: int | None, step: int | None) -> str:
    where = f" at {place(spot.index, 'en')}" if spot.index else ""
    value, target = number(spot.value), spot.target
    of_target = (f" of {target}" if where else f" for {target}") if target else ""
    if spot.kind == "forward":
        what = f"{_phrase(spot, EN, 'en')} gives {value}{where}{_of(spot, 'en')}"
    elif spot.kind == "backward":
        turns = "gives" if spot.upstream is None else f"turns the upstream gradient {number(spot.upstream)} into"
        what = f"backward through {_phrase(spot, EN, 'en')} {turns} {value}{where}{of_target}"
    elif spot.kind == "sum":
        what = f"the messages to {target or 'one value'}, each of them finite, add up to {value}{where}"
    elif spot.kind == "leaf":
        what = f"{target or 'an input'} holds {value}{where} before anything is computed from it"
    elif spot.kind == "clip":
        what = f"clipping turns the gradient {number(spot.gradient)} of {target}{where} into {value}"
    else:
        rate = "" if spot.rate is None else f" and learning rate {number(spot.rate)}"
        what = (
            f"the update turns {number(spot.before)} in {target}{where} into {value}, with gradient "
            f"{number(spot.gradient)}{rate}"
        )
    return ", ".join([what, *_tail(spot, epoch, step, "en")])


def _japanese(spot: Spot, epoch: int | None, step: int | None) -> str:
    value, target = number(spot.value), spot.target
    at = place(spot.index, "ja")
    of_target = "の".join(part for part in (f"{target} " if target else "", at) if part).strip()
    if spot.kind == "forward":
        head = "の".join(part for part in (_of(spot, "ja"), at) if part).strip()
        what = f"{f'{head} で ' if head else ''}{_with(_phrase(spot, JA, 'ja'), 'が')} {value} になりました"
    elif spot.kind == "backward":
        through = f"{_with(_phrase(spot, JA, 'ja'), 'を')}通る逆伝播で"
        received = "勾配" if spot.upstream is None else f"上流の勾配 {number(spot.upstream)} "
        what = f"{f'{of_target} で、' if of_target else ''}{through}{received}が {value} になりました"
    elif spot.kind == "sum":
        what = f"{of_target or '一つの値'} が受け取る勾配は個々には有限ですが、和が {value} になりました"
    elif spot.kind == "leaf":
        what = f"{of_target or '入力'} に、計算の前から {value} が入っています"
    elif spot.kind == "clip":
        what = f"クリッピングで {of_target} の勾配 {number(spot.gradient)} が {value} になりました"
    else:
        rate = "" if spot.rate is None else f"、学習率 {number(spot.rate)}"
        what = (
            f"更新で {of_target} が {number(spot.before)} から {value} になりました(勾配 {number(spot.gradient)}{rate})"
        )
    tail = "、".join(_tail(spot, epoch, step, "ja"))
    return f"{what}({tail})" if tail else what


def _with(phrase: str, particle: str) -> str:
    """With a particle; a space after letters and digits, none after Japanese."""
    return f"{phrase} {particle}" if phrase[-1].isascii() else f"{phrase}{particle}"


def _phrase(spot: Spot, table: dict[str, str], lang: str) -> str:
    """What the op does with what it is given."""
    given = [_value(o, lang) for o in spot.operands]
    op = str(spot.op)
    pattern = table.get(op)
    if pattern is not None and len(given) == pattern.count("{"):
        return pattern.format(*given)
    if not given:
        return op
    if lang == "ja":
        return f"{op}({', '.join(given[:4])})"
    return f"{op} of {' and '.join(given[:4])}"


def _value(operand: Operand, lang: str) -> str:
    low, high = number(operand.low), number(operand.high)
    if low == high:
        return low
    values = f"values from {low} to {high}" if lang == "en" else f"{low} から {high} までの値"
    if operand.here is None:
        return values
    return f"{number(operand.here)} (among {values})" if lang == "en" else f"{values}のうち {number(operand.here)}"


def _of(spot: Spot, lang: str) -> str:
    """The array that the place is in: the operand, where there is one and the element is the same."""
    tensors = [o for o in spot.operands if o.name or o.made_by]
    if len(tensors) != 1 or number(tensors[0].low) != number(tensors[0].high):
        return ""
    (operand,) = tensors
    layer = operand.layer if operand.layer and not spot.layer else ""
    if lang == "ja":
        made = operand.name or f"{operand.made_by} の出力"
        return f"層 {layer} の {made}" if layer else f"{made} " if made[-1].isascii() else made
    made = operand.name or f"the {operand.made_by} output"
    return f"{' of' if spot.index else ' in'} {made}{f', layer {layer}' if layer else ''}"


def _tail(spot: Spot, epoch: int | None, step: int | None, lang: str) -> list[str]:
    en = lang == "en"
    found = []
    if spot.example is not None:
        found.append(f"example {spot.example}" if en else f"サンプル {spot.example}")
    if spot.iteration is not None:
        found.append(f"step {spot.iteration} of the loop" if en else f"ループのステップ {spot.iteration}")
    if spot.layer:
        kind = f" ({spot.layer_kind})" if spot.layer_kind else ""
        found.append(f"{'layer' if en else '層'} {spot.layer}{kind}")
    elif spot.layer_kind:
        found.append(f"in {spot.layer_kind}" if en else f"{spot.layer_kind} の中")
    if spot.count > 1:
        more = spot.count - 1
        found.append(f"and {more} more element{'s' * (more > 1)}" if en else f"ほか {more} 要素")
    if spot.where:
        found.append(spot.where)
    if epoch is not None:
        found.append(f"epoch {epoch}" if en else f"エポック {epoch}")
    if step is not None:
        found.append(f"step {step}" if en else f"ステップ {step}")
    return found
