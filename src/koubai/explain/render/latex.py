"""Explanations as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from koubai.explain.formula import Expr, to_plain
from koubai.explain.formula.latex import escaped, to_latex
from koubai.explain.phrases import Phrases
from koubai.explain.render.breaking import pieces, printed_width
from koubai.explain.render.parts import agreement_text, in_words, steps_of
from koubai.explain.table import columns

if TYPE_CHECKING:
    from koubai.explain.derivation import Explanation, Line

__all__ = ["to_document", "to_latex_body"]

SHORT = 50  # characters of an equation that goes on one line
WIDE = 80  # digits that fit in a line, roughly
SIGNS = {"": "", "+": " +", "·": " \\cdot"}
PREAMBLE = """\\documentclass{{article}}{command}
\\usepackage[margin=2cm]{{geometry}}
\\usepackage{{amsmath}}
\\allowdisplaybreaks
"""
# Cyrillic letters are taken from the Japanese font too: the one for Latin letters may lack them.
ASIAN = """\\usepackage{xeCJK} % any font with Japanese characters will do
\\setCJKmainfont{IPAGothic}
\\xeCJKDeclareCharClass{CJK}{"0400 -> "045F}
"""


def to_latex_body(explanation: Explanation) -> str:
    """The explanation for the body of a document that uses amsmath."""
    say = Phrases(explanation.lang)
    parts = [f"\\section*{{{escaped(explanation.title)}}}"]
    for section in explanation.sections:
        parts.append(f"\\subsection*{{{escaped(section.title)}}}")
        if section.text:
            parts.append(_sentence(section.text, say.lang))
        for noted, group in groupby(section.lines, key=lambda line: bool(line.note)):
            lines = list(group)
            blocks = [[line] for line in lines] if noted else [lines]
            parts += [_equations(block, say, explanation) for block in blocks]
    return "\n\n".join(parts) + "\n"


def to_document(explanation: Explanation) -> str:
    """A whole document, for pdflatex; for xelatex where there are other than Latin letters, as its first line says."""
    body = to_latex_body(explanation)
    if all(c <= "ÿ" for c in body):
        preamble = PREAMBLE.format(command="")
    else:
        preamble = PREAMBLE.format(command=" % run xelatex") + ASIAN
    return f"{preamble}\\begin{{document}}\n{body}\\end{{document}}\n"


def _equations(lines: Sequence[Line], say: Phrases, explanation: Explanation) -> str:
    """Lines aligned at their equals signs, then the note of the last one."""
    body = " \\\\\n".join(row for line in lines for row in _rows(line, say, explanation.digits))
    text = f"\\begin{{align*}}\n{body}\n\\end{{align*}}"
    return f"{text}\n{_sentence(lines[-1].note, say.lang)}" if lines[-1].note else text


def _rows(line: Line, say: Phrases, digits: int) -> list[str]:
    symbol = to_latex(line.symbol, digits, say.lang)
    found = steps_of(line, digits)
    room = WIDE - printed_width(line.symbol, digits)
    agreement = agreement_text(line, say, digits)
    if sum(len(to_plain(step, digits)) for step in found) <= SHORT:
        rows = [" = ".join(["", *(to_latex(step, digits, say.lang) for step in found)]).strip()] if found else [""]
        last = sum(printed_width(step, digits) + 3 for step in found)
    else:
        sides = [pieces(step, room, digits) for step in found]
        rows = [_piece(i == 0, *piece, digits, say.lang) for side in sides for i, piece in enumerate(side)]
        last = printed_width(sides[-1][-1][1], digits)
    rows = [f"  {symbol} &{rows[0]}", *(f"  &{row}" for row in rows[1:])]
    if agreement:
        shown = f"\\quad \\text{{({escaped(agreement).strip()})}}"
        rows = (
            [*rows[:-1], f"{rows[-1]} {shown}"]
            if 3 * last + 4 * columns(agreement) <= 4 * room
            else [*rows, f"  &{shown}"]
        )
    return rows


def _piece(is_first: bool, sign: str, formula: Expr, digits: int, lang: str) -> str:
    """A side of an equation, or what continues it in the next line."""
    text = to_latex(formula, digits, lang)
    return f"= {text}" if is_first else f"\\quad {{}}{SIGNS[sign]} {text}"


def _sentence(sentence: str, lang: str) -> str:
    return in_words(sentence, lambda formula: f"${to_latex(formula, lang=lang)}$", escaped)
