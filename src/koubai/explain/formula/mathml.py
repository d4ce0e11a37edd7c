"""Formulas as MathML, which browsers set without help. Text in them never becomes markup."""

from __future__ import annotations

import re
import unicodedata
from html import escape
from typing import Any

import numpy as np

from koubai.explain.formula.expression import (
    Abs,
    Array,
    BigOperator,
    Call,
    Cases,
    Derivative,
    ElementwiseProduct,
    Expr,
    Index,
    Logic,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Sum,
    Symbol,
    Text,
    Tuple,
    fold,
)
from koubai.explain.formula.latex import OTHERWISE
from koubai.explain.formula.plain import number_text, summarized
from koubai.explain.formula.precedence import GREEK, is_transpose, needs_dot, needs_space, split_name, wraps

__all__ = ["to_mathml"]

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
LETTERS = {
    name: unicodedata.lookup(
        f"GREEK {'CAPITAL' if name[0].isupper() else 'SMALL'} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}"
    )
    for name in GREEK
}
BIG = {"sum": "∑", "prod": "∏", "any": "⋁", "all": "⋀"}
SIGNS = {"==": "=", "!=": "≠", "<=": "≤", ">=": "≥", "in": "∈"}
WORDS = {"and": "∧", "or": "∨", "xor": "⊕"}
NAMES = {"...": "<mo>…</mo>", "inf": "<mi>∞</mi>", "nan": "<mi>NaN</mi>"}
FENCES = {"floor": ("⌊", "⌋"), "ceil": ("⌈", "⌉")}
LEFT = '<mtd style="text-align: left">'
SPACE = '<mspace width="0.17em"/>'
APPLY, TIMES = "<mo>&#x2061;</mo>", "<mo>&#x2062;</mo>"  # what is not seen: application, multiplication
INDICES = frozenset("ijklmnpq")


def to_mathml(expression: Expr, digits: int | None = None, lang: str = "en", *, block: bool = False) -> str:
    """A formula as a MathML element.

    Parameters
    ----------
    digits : int, optional
        Significant digits of numbers. Default: as many as it takes to tell them from others.
    lang : "en" or "ja"
        The language of "otherwise" in cases, the only word there is.
    block : bool
        On a line of its own.

    Examples
    --------
    >>> from koubai.explain.formula import parse
    >>> print(to_mathml(parse("x^2")))
    <math xmlns="http://www.w3.org/1998/Math/MathML"><msup><mi>x</mi><mn>2</mn></msup></math>
    """

    def combine(node: Any, parts: list[str]) -> str:
        wrapped = [_bracketed(text) if wraps(node, k, printed=True) else text for k, text in enumerate(parts)]
        return _one(node, wrapped, digits, lang)

    display = ' display="block"' if block else ""
    return f'<math xmlns="{NAMESPACE}"{display}>{fold(expression, combine)}</math>'


def _text(text: str) -> str:
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _sign(text: str) -> str:
    return f"<mo>{_text(text)}</mo>"


def _fenced(before: str, inner: str, after: str) -> str:
    fixed = "" if re.search("<(mfrac|mtable|munder|mroot)", inner) else ' stretchy="false"'
    return _row(f'<mo fence="true"{fixed}>{before}</mo>', inner, f'<mo fence="true"{fixed}>{after}</mo>')


def _bracketed(text: str) -> str:
    return _fenced("(", text, ")")


def _listed(parts: list[str]) -> str:
    return _row('<mo separator="true">,</mo>'.join(parts)) if len(parts) > 1 else parts[0]


def _joined(sign: str, parts: list[str]) -> str:
    return _row(_sign(sign).join(parts))


def _one(node: Any, parts: list[str], digits: int | None, lang: str) -> str:
    match node:
        case Number(value):
            return _number(value, digits)
        case Array(value):
            return _array(value, digits)
        case Symbol(name, subscript):
            return f"<msub>{_name(name)}{_subscript(subscript)}</msub>" if subscript else _name(name)
        case Text(text):
            return f"<mtext>{_text(text)}</mtext>"
        case Derivative():
            above, below = (_row("<mo>∂</mo>", part) for part in parts)
            return f"<mfrac>{above}{below}</mfrac>"
        case Sum(terms):
            return _row(parts[0], *map(_term, terms[1:], parts[1:]))
        case Negative():
            return _row("<mo>−</mo>", parts[0])
        case Product(factors):
            return _product(factors, parts)
        case ElementwiseProduct():
            return _joined("⊙", parts)
        case Quotient():
            return f"<mfrac>{parts[0]}{parts[1]}</mfrac>"
        case Power():
            exponent = parts[1].replace("<mi>T</mi>", '<mi mathvariant="normal">T</mi>')
            return f"<msup>{parts[0]}{exponent if is_transpose(node) else parts[1]}</msup>"
        case Call(name):
            return _call(name, parts)
        case Abs():
            return _fenced("|", parts[0], "|")
        case Index():
            return f"<msub>{parts[0]}{_listed(parts[1:])}</msub>"
        case BigOperator(name):
            operator = _sign(BIG[name]) if name in BIG else f'<mo movablelimits="true">{_text(name)}</mo>'
            return _row(f"<munder>{operator}{_listed(parts[:-1])}</munder>", parts[-1])
        case Relation(_, sign):
            return _joined(SIGNS.get(sign, sign), parts)
        case Logic(word):
            return _row(_sign("¬"), parts[0]) if word == "not" else _joined(WORDS[word], parts)
        case Cases():
            conditions = map(_bracketed, [*parts[1::2], f"<mtext>{_text(OTHERWISE[lang])}</mtext>"])
            rows = [f"<mtr>{LEFT}{v}</mtd>{LEFT}{c}</mtd></mtr>" for v, c in zip(parts[::2], conditions)]
            return _row('<mo fence="true">{</mo>', f"<mtable>{''.join(rows)}</mtable>")
        case Tuple():
            return _bracketed(_listed(parts))
    raise AssertionError(type(node))


def _term(term: Expr, text: str) -> str:
    # As an operator between two terms a minus sign stands apart, as the sign of a number it does not.
    return text.removeprefix("<mrow>").removesuffix("</mrow>") if isinstance(term, Negative) else f"<mo>+</mo>{text}"


def _number(value: Any, digits: int | None) -> str:
    text = number_text(value, digits).replace("inf", "∞").replace("nan", "NaN").replace("-", "−")
    mantissa, mark, exponent = text.partition("e")
    if mark and exponent.lstrip("−").isdigit():
        return _row(f"<mn>{mantissa}</mn>", "<mo>×</mo>", f"<msup><mn>10</mn><mn>{exponent}</mn></msup>")
    return f"<mn>{_text(text)}</mn>"


def _name(name: str) -> str:
    stem = name.rstrip("'")
    if stem in NAMES:
        return NAMES[stem]
    upright = ' mathvariant="normal"' if stem in LETTERS and stem[0].isupper() else ""
    return f"<mi{upright}>{_text(LETTERS.get(stem, stem) + '′' * (len(name) - len(stem)))}</mi>"


def _subscript(text: str) -> str:
    if text.isdigit():
        return f"<mn>{text}</mn>"
    if len(text) > 1 and INDICES.issuperset(text):  # several indices, not a word: each is a name of its own
        return _row(*(f"<mi>{letter}</mi>" for letter in text))
    return f"<mi>{_text(LETTERS.get(text, text))}</mi>"


def _call(name: str, parts: list[str]) -> str:
    if name == "sqrt" and len(parts) == 1:
        return f"<msqrt>{parts[0]}</msqrt>"
    if name == "cbrt" and len(parts) == 1:
        return f"<mroot>{parts[0]}<mn>3</mn></mroot>"
    if name == "conj" and len(parts) == 1:
        return f'<mover accent="true">{parts[0]}<mo>¯</mo></mover>'
    if name in FENCES and len(parts) == 1:
        return _fenced(FENCES[name][0], parts[0], FENCES[name][1])
    stem, index = ("log", name[3:]) if name in ("log2", "log10") else split_name(name)
    function = f"<msub>{_name(stem)}{_subscript(index)}</msub>" if index else _name(name)
    return _row(function, APPLY, _bracketed(_listed(parts)))


def _product(factors: tuple[Expr, ...], parts: list[str]) -> str:
    line = [parts[0]]
    for left, right, text in zip(factors, factors[1:], parts[1:]):
        first = "0" if re.match("(<mrow>|<msup>|<msub>)*<mn>", text) else ""
        sign = "<mo>·</mo>" if needs_dot(left, right, first) else SPACE if needs_space(left, right) else TIMES
        line += [sign, text]
    return _row(*line)


def _array(array: np.ndarray[Any, Any], digits: int | None) -> str:
    shown, all_of_it = summarized(array)
    rows = [[_number(x, digits) for x in row] for row in shown]
    if not all_of_it:
        rows = [[*row, "<mo>⋯</mo>"] for row in rows] + [["<mo>⋮</mo>"]]
    cells = ("".join(f"<mtd>{cell}</mtd>" for cell in row) for row in rows)
    matrix = _bracketed(f"<mtable>{''.join(f'<mtr>{row}</mtr>' for row in cells)}</mtable>")
    size = "×".join(map(str, array.shape))
    return matrix if all_of_it else f"<munder>{matrix}<mtext>{size}</mtext></munder>"
