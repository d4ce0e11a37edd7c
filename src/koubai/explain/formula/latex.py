"""Formulas as LaTeX for amsmath, without the dollar signs."""

from __future__ import annotations

import re
import unicodedata
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
from koubai.explain.formula.plain import number_text, summarized
from koubai.explain.formula.precedence import GREEK, is_transpose, needs_dot, needs_space, split_name, wraps

__all__ = ["OTHERWISE", "escaped", "to_latex"]

#: How LaTeX calls functions that it knows; others are set upright by their own name.
FUNCTIONS = {
    **{name: f"\\{name}" for name in ("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh")},
    **{name: f"\\{name}" for name in ("exp", "ln", "max", "min", "det")},
    "log": "\\log", "log2": "\\log_{2}", "log10": "\\log_{10}", "Gamma": "\\Gamma", "psi": "\\psi",
}  # fmt: skip
AROUND = {
    "sqrt": ("\\sqrt{", "}"), "cbrt": ("\\sqrt[3]{", "}"), "floor": ("\\lfloor ", " \\rfloor"),
    "ceil": ("\\lceil ", " \\rceil"), "conj": ("\\overline{", "}"),
}  # fmt: skip
BIG = {"sum": "\\sum", "prod": "\\prod", "max": "\\max", "min": "\\min", "any": "\\bigvee", "all": "\\bigwedge"}
SIGNS = {"==": "=", "!=": "\\neq", "<=": "\\leq", ">=": "\\geq", "in": "\\in"}
WORDS = {"and": " \\wedge ", "or": " \\vee ", "xor": " \\oplus "}
SPECIAL = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#", "%": "\\%", "_": "\\_",
    "^": "\\textasciicircum{}", "~": "\\textasciitilde{}",
}  # fmt: skip
TEXT_SIGNS = {
    "→": "$\\rightarrow$", "←": "$\\leftarrow$", "∂": "$\\partial$", "·": "$\\cdot$", "×": "$\\times$", "÷": "$\\div$",
    "∘": "$\\circ$", "−": "$-$", "±": "$\\pm$", "²": "$^2$", "³": "$^3$", "⁴": "$^4$", "¹": "$^1$", "⁰": "$^0$",
    "✓": "", "✗": "$\\neq$", "△": "", "≤": "$\\leq$", "≥": "$\\geq$", "≠": "$\\neq$", "≈": "$\\approx$",
    "∞": "$\\infty$", "∈": "$\\in$", "∇": "$\\nabla$", "√": "$\\surd$", "∑": "$\\sum$", "∏": "$\\prod$", "∫": "$\\int$",
    "′": "$'$", "…": "\\ldots{}", "–": "--", "—": "---", "°": "$^\\circ$", "µ": "$\\mu$",
}  # fmt: skip
# What the fonts have: Latin with accents, Cyrillic, Chinese and Japanese. Anything else goes by its name.
KNOWN = re.compile(r"[ -~\u00a1-\u017f\u0400-\u045f\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff9f\u2018-\u201d]")
NAMES = {"...": "\\ldots", "inf": "\\infty", "nan": "\\mathrm{NaN}"}
BREAK = " \\\\ "
OTHERWISE = {"en": "otherwise", "ja": "それ以外"}


def escaped(text: str) -> str:
    """Text that LaTeX shows as it is; signs that fonts lack are set as mathematics or spelled by their name.

    Examples
    --------
    >>> print(escaped("50% → \N{GREEK SMALL LETTER BETA}"))
    50\\% $\\rightarrow$ $\\beta$
    """
    return "".join(map(_escaped, text))


def _escaped(c: str) -> str:
    if c in SPECIAL or c in TEXT_SIGNS:
        return SPECIAL.get(c) or TEXT_SIGNS[c]
    if _greek(c) in GREEK:
        return f"$\\{_greek(c)}$"
    if KNOWN.fullmatch(c):
        return c
    return f"[{unicodedata.name(c, f'U+{ord(c):04X}').lower()}]" if c.isprintable() else " "


def _greek(c: str) -> str:
    """What LaTeX calls a Greek letter; any other sign is left as it is."""
    name = unicodedata.name(c, "").replace("LAMDA", "LAMBDA")
    if not re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER [A-Z]+", name):
        return c
    stem = name.split()[-1].lower()
    return stem if c.islower() else stem.title()


def to_latex(expression: Expr, digits: int | None = None, lang: str = "en") -> str:
    """A formula as LaTeX for amsmath's math mode.

    Parameters
    ----------
    digits : int, optional
        Significant digits of numbers. Default: as many as it takes to tell them from others.
    lang : "en" or "ja"
        The language of "otherwise" in cases, the only word there is.

    Examples
    --------
    >>> from koubai.explain.formula import parse
    >>> print(to_latex(parse("dE/dw_jk = y_j (1 - y_j^2)/2")))
    \\frac{\\partial E}{\\partial w_{jk}} = \\frac{y_{j} \\left(1 - y_{j}^{2}\\right)}{2}
    """

    def combine(node: Any, parts: list[str]) -> str:
        wrapped = [_bracketed(text) if wraps(node, k, printed=True) else text for k, text in enumerate(parts)]
        return _one(node, wrapped, digits, lang)

    return fold(expression, combine)


def _bracketed(text: str) -> str:
    return f"\\left({text}\\right)"


def _one(node: Any, parts: list[str], digits: int | None, lang: str) -> str:
    match node:
        case Number(value):
            return _number(number_text(value, digits))
        case Array(value):
            return _array(value, digits)
        case Symbol(name, subscript):
            return _name(name) + (f"_{{{_subscript(subscript)}}}" if subscript else "")
        case Text(text):
            return f"\\text{{{escaped(text)}}}"
        case Derivative():
            return f"\\frac{{\\partial {parts[0]}}}{{\\partial {parts[1]}}}"
        case Sum(terms):
            rest = zip(terms[1:], parts[1:])
            return parts[0] + "".join(f" - {x[1:]}" if isinstance(t, Negative) else f" + {x}" for t, x in rest)
        case Negative():
            return f"-{parts[0]}"
        case Product(factors):
            return _product(factors, parts)
        case ElementwiseProduct():
            return " \\odot ".join(parts)
        case Quotient():
            return f"\\frac{{{parts[0]}}}{{{parts[1]}}}"
        case Power(base):
            exponent = parts[1].replace("T", "\\mathsf{T}") if is_transpose(node) else parts[1]
            whole = f"{{{parts[0]}}}" if isinstance(base, (Index, Call)) else parts[0]
            return f"{whole}^{{{exponent}}}"
        case Call(name):
            return _call(name, parts)
        case Abs():
            return f"\\left|{parts[0]}\\right|"
        case Index(of):
            whole = f"{{{parts[0]}}}" if isinstance(of, Symbol) and of.subscript else parts[0]
            return f"{whole}_{{{', '.join(parts[1:])}}}"
        case BigOperator(name):
            operator = BIG.get(name, f"\\operatorname*{{{_upright(name)}}}")
            return f"{operator}_{{{', '.join(parts[:-1])}}} {parts[-1]}"
        case Relation(_, sign):
            return f" {SIGNS.get(sign, sign)} ".join(parts)
        case Logic(word):
            return f"\\neg {parts[0]}" if word == "not" else WORDS[word].join(parts)
        case Cases():
            rows = [f"{v} & ({c})" for v, c in zip(parts[:-1:2], parts[1::2])]
            rows.append(f"{parts[-1]} & (\\text{{{OTHERWISE[lang]}}})")
            return f"\\begin{{cases}} {BREAK.join(rows)} \\end{{cases}}"
        case Tuple():
            return _bracketed(", ".join(parts))
    raise AssertionError(type(node))


def _number(text: str) -> str:
    text = {"inf": "\\infty", "-inf": "-\\infty", "nan": "\\mathrm{NaN}"}.get(text, text)
    mantissa, mark, exponent = text.partition("e")
    power = f"10^{{{exponent}}}" if mark and exponent.lstrip("-").isdigit() else ""
    return f"{mantissa} \\times {power}" if power else re.sub(r"(true|false)", r"\\mathrm{\1}", text)


def _name(name: str) -> str:
    stem = name.rstrip("'")
    primes = name[len(stem) :]
    if stem in NAMES:
        return NAMES[stem]
    stem = _greek(stem) if len(stem) == 1 else stem
    if stem in GREEK:
        return f"\\{stem}{primes}"
    if stem.isascii() and stem.isalnum():
        return (stem if len(stem) == 1 else f"\\mathit{{{stem}}}") + primes
    return f"\\text{{{escaped(stem)}}}{primes}"


def _subscript(text: str) -> str:
    if text in GREEK:
        return f"\\{text}"
    return text if re.fullmatch(r"[A-Za-z0-9,]+", text) else f"\\text{{{escaped(text)}}}"


def _upright(name: str) -> str:
    return escaped(name) if name.isascii() else f"\\text{{{escaped(name)}}}"


def _call(name: str, parts: list[str]) -> str:
    if name in AROUND and len(parts) == 1:
        before, after = AROUND[name]
        return f"{before}{parts[0]}{after}"
    stem, index = split_name(name)
    if index:
        function = f"{_name(stem)}_{{{_subscript(index)}}}"
    else:
        function = FUNCTIONS.get(name) or f"\\operatorname{{{_upright(name)}}}"
    return function + _bracketed(", ".join(parts))


def _product(factors: tuple[Expr, ...], parts: list[str]) -> str:
    line = parts[0]
    for left, right, text in zip(factors, factors[1:], parts[1:]):
        sign = " \\cdot " if needs_dot(left, right, text) else " \\, " if needs_space(left, right) else " "
        line += sign + text
    return line


def _array(array: np.ndarray[Any, Any], digits: int | None) -> str:
    shown, all_of_it = summarized(array)
    rows = [" & ".join(_number(number_text(x, digits)) for x in row) for row in shown]
    if all_of_it:
        return f"\\begin{{pmatrix}} {BREAK.join(rows)} \\end{{pmatrix}}"
    rows = [f"{row} & \\cdots" for row in rows] + ["\\vdots"] if rows else ["\\;"]
    size = " \\times ".join(map(str, array.shape))
    return f"\\underset{{{size}}}{{\\begin{{pmatrix}} {BREAK.join(rows)} \\end{{pmatrix}}}}"
