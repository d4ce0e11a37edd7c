"""Explanations as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from koubai.explain.formula import to_plain
from koubai.explain.formula.latex import escaped, to_latex
from koubai.explain.phrases import Phrases
from koubai.explain.render.parts import agreement_text, in_words, steps_of

if TYPE_CHECKING:
    from koubai.explain.derivation import Explanation, Line

__all__ = ["to_document", "to_latex_body"]

SHORT = 50  # characters of an equation that goes on one line
SIGNS = {
    "→": "$\\rightarrow$", "∂": "$\\partial$", "·": "$\\cdot$", "×": "$\\times$", "²": "$^2$", "³": "$^3$",
    "π": "$\\pi$",    "✓": "", "✗": "$\\neq$", "△": "", "≤": "$\\leq$", "≥": "$\\geq$", "≠": "$\\neq$",
}  # fmt: skip
PREAMBLES = {
    "en": "\\documentclass{article}\n\\usepackage{amsmath}\n\\allowdisplaybreaks\n",
    "ja": "\\documentclass{article}\n\\usepackage{amsmath}\n\\allowdisplaybreaks\n"
    "\\usepackage{xeCJK} % run xelatex; any font with Japanese characters will do\n\\setCJKmainfont{IPAGothic}\n",
}


def to_latex_body(explanation: Explanation) -> str:
    """The explanation for the body of a document that uses amsmath."""
    say = Phrases(explanation.lang)
    parts = [f"\\section*{{{_words(explanation.title)}}}"]
    for section in explanation.sections:
        parts.append(f"\\subsection*{{{_words(section.title)}}}")
        if section.text:
            parts.append(_sentence(section.text))
        for noted, group in groupby(section.lines, key=lambda line: bool(line.note)):
            lines = list(group)
            blocks = [[line] for line in lines] if noted else [lines]
            parts += [_equations(block, say, explanation) for block in blocks]
    return "\n\n".join(parts) + "\n"


def to_document(explanation: Explanation) -> str:
    """A whole document, for pdflatex; in Japanese for xelatex."""
    body = to_latex_body(explanation)
    return f"{PREAMBLES[explanation.lang]}\\begin{{document}}\n{body}\\end{{document}}\n"


def _equations(lines: Sequence[Line], say: Phrases, explanation: Explanation) -> str:
    """Lines aligned at their equals signs, then the note of the last one."""
    body = " \\\\\n".join(row for line in lines for row in _rows(line, say, explanation.digits))
    text = f"\\begin{{align*}}\n{body}\n\\end{{align*}}"
    return f"{text}\n{_sentence(lines[-1].note)}" if lines[-1].note else text


def _rows(line: Line, say: Phrases, digits: int) -> list[str]:
    symbol = to_latex(line.symbol, digits, say.lang)
    found = steps_of(line, digits)
    steps = [to_latex(step, digits, say.lang) for step in found]
    if sum(len(to_plain(step, digits)) for step in found) <= SHORT:
        steps = [" = ".join(steps)] if steps else []
    rows = [f"  {symbol} &= {steps[0]}" if steps else f"  &{symbol}", *(f"  &= {step}" for step in steps[1:])]
    agreement = agreement_text(line, say, digits)
    if agreement:
        rows[-1] += f" \\quad \\text{{({_words(agreement).strip()})}}"
    return rows


def _sentence(sentence: str) -> str:
    return in_words(sentence, lambda formula: f"${to_latex(formula)}$", _words)


def _words(text: str) -> str:
    """A sentence, with LaTeX's own characters and those that its fonts lack spelled out."""
    return "".join(SIGNS.get(c, c) for c in escaped(text))
