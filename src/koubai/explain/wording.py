"""Spots in words, English and Japanese."""

from __future__ import annotations

import re
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
# What an op's result is called; of any other "the tanh output".
EN_RESULT = {
    "add": "sum", "subtract": "difference", "multiply": "product", "divide": "quotient", "matmul": "matrix product",
    "getitem": "slice",
}  # fmt: skip
JA_RESULT = {
    "add": "加算の結果", "subtract": "減算の結果", "multiply": "乗算の結果", "divide": "除算の結果",
    "negative": "符号反転の結果", "power": "べき乗の値", "square": "2乗の値", "sqrt": "平方根の値",
    "cbrt": "立方根の値", "reciprocal": "逆数の値", "absolute": "絶対値", "exp": "指数関数の値", "log": "対数の値",
    "expit": "シグモイドの値", "matmul": "行列積", "sum": "総和", "prod": "総積", "cumsum": "累積和", "max": "最大値",
    "min": "最小値", "where": "条件選択の結果", "getitem": "取り出した値", "reshape": "形状変更の結果",
    "transpose": "転置の結果", "inv": "逆行列", "det": "行列式", "concatenate": "連結の結果", "stack": "積み重ねの結果",
}  # fmt: skip
BETWEEN_JAPANESE = re.compile(r"(?<=[ぁ-んァ-ヶー一-鿿]) (?=[ぁ-んァ-ヶー一-鿿])")

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
        holder = _holder(spot, "en")
        of_holder = f" of {holder}" if where and holder else f", where {_given(spot)} is {holder}" if holder else ""
        what = f"{_phrase(spot, EN, 'en')} gives {value}{where}{of_holder}"
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
    tail = _tail(spot, epoch, step, "ja")
    if spot.kind == "forward":
        holder = _holder(spot, "ja")
        head = f"{_with(holder, 'の')}{at} で " if at and holder else f"{at} で " if at else ""
        what = f"{head}{_with(_phrase(spot, JA, 'ja'), 'が')} {value} になりました"
        of_name = " の値" if holder and holder[-1].isascii() else ""
        tail = tail if at or not holder else [f"{_given(spot)} は {holder}{of_name}", *tail]
    elif spot.kind == "backward":
        through = f"{_with(_phrase(spot, JA, 'ja'), 'を')}通る逆伝播で、"
        received = f"{_with(of_target, 'に')}届く勾配" if of_target else "勾配"
        what = f"{through}{received}が {value} になりました"
        tail = tail if spot.upstream is None else [f"上流の勾配 {number(spot.upstream)}", *tail]
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
    return BETWEEN_JAPANESE.sub("", f"{what}({'、'.join(tail)})" if tail else what)


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


def _holder(spot: Spot, lang: str) -> str:
    """The array that the place is in: the operand, where there is one and the element is the same."""
    found = _held(spot)
    if found is None:
        return ""
    layer = found.layer if found.layer and not spot.layer else ""
    by = str(found.made_by)
    if lang == "ja":
        made = found.name or JA_RESULT.get(by, f"{by} の出力")
        made = f"入力 {made} のバッチ" if by == "batch" else made
        return f"層 {layer} の {made}" if layer else made
    made = found.name or f"the {EN_RESULT.get(by, f'{by} output')}"
    made = f"the batch of input {made}" if by == "batch" else made
    return f"{made}, layer {layer}" if layer else made


def _held(spot: Spot) -> Operand | None:
    tensors = [o for o in spot.operands if o.name or o.made_by]
    return tensors[0] if len(tensors) == 1 and number(tensors[0].low) == number(tensors[0].high) else None


def _given(spot: Spot) -> str:
    found = _held(spot)
    return "" if found is None else number(found.low)


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
