"""Explanations as HTML with MathML: a fragment for a page or a notebook, without scripts and outside references."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from koubai.explain.formula import Expr, to_plain
from koubai.explain.formula.mathml import to_mathml
from koubai.explain.phrases import Phrases
from koubai.explain.render.breaking import pieces, printed_width
from koubai.explain.render.parts import agreement_text, in_words, steps_of

if TYPE_CHECKING:
    from koubai.explain.derivation import Explanation, Line

__all__ = ["to_html", "to_page"]

ROOM = 35  # digits beside each other that have room on any telephone

# Colours are those of the page around, so that it reads in light and dark notebooks alike.
STYLE = """
.koubai-explanation { max-width: 60rem; line-height: 1.6; }
.koubai-explanation .title { font-size: 1.3em; margin: 0.4em 0; }
.koubai-explanation .part { font-size: 1.1em; margin: 1.4em 0 0.3em; border-bottom: 1px solid; padding-bottom: 0.2em; }
.koubai-explanation p { margin: 0.2em 0; }
.koubai-explanation .line { margin: 0.7em 0; padding-left: 1em; border-left: 2px solid rgb(158 52 95 / 45%); }
.koubai-explanation .steps { display: flex; flex-wrap: wrap; gap: 0.25em 0.6em; align-items: center;
  padding: 0.15em 0; }
.koubai-explanation .steps > span:not(.check) { white-space: nowrap; }
.koubai-explanation .steps > [role="group"] { overflow: auto hidden; max-width: 100%; }
.koubai-explanation .note { opacity: 0.8; font-size: 0.95em; }
.koubai-explanation .check { font-size: 0.85em; opacity: 0.75; }
.koubai-explanation .check.off { opacity: 1; font-weight: bold; }
"""


def to_html(explanation: Explanation) -> str:
    """The explanation as one ``<section>`` with its own style."""
    return _section(explanation, 2)


def _section(explanation: Explanation, level: int) -> str:
    """The explanation under a heading of this level."""
    say = Phrases(explanation.lang)
    parts = [
        f'<section class="koubai-explanation" lang="{explanation.lang}">',
        f"<style>{STYLE}</style>",
        f'<h{level} class="title">{escape(explanation.title)}</h{level}>',
    ]
    for section in explanation.sections:
        parts.append(f'<h{level + 1} class="part">{escape(section.title)}</h{level + 1}>')
        if section.text:
            parts.append(f"<p>{_words(section.text, say.lang)}</p>")
        parts += [_line(line, say, explanation.digits) for line in section.lines]
    return "\n".join([*parts, "</section>"])


def to_page(explanation: Explanation) -> str:
    """The explanation as a page of its own."""
    return f"""<!doctype html>
<html lang="{explanation.lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(explanation.title)}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font-family: system-ui, "Hiragino Sans", "Noto Sans JP", sans-serif; margin: 2rem auto; padding: 0 1rem;
  max-width: 62rem; }}
</style>
</head>
<body>
<main>
{_section(explanation, 1)}
</main>
</body>
</html>"""


def _words(sentence: str, lang: str) -> str:
    return in_words(sentence, lambda formula: to_mathml(formula, lang=lang), escape)


def _line(line: Line, say: Phrases, digits: int) -> str:
    sides = [pieces(step, ROOM, digits) for step in steps_of(line, digits)]
    shown = [_piece("", line.symbol, say.lang, digits)]
    for side in sides:
        (_, first), *others = side
        shown += [_piece("=", first, say.lang, digits), *(_piece(sign, x, say.lang, digits) for sign, x in others)]
    agreement = agreement_text(line, say, digits)
    kind = "check" if line.agreement is None or line.agreement.ok else "check off"
    check = f'\n<span class="{kind}">{escape(agreement)}</span>' if agreement else ""
    note = f'\n<p class="note">{_words(line.note, say.lang)}</p>' if line.note else ""
    steps = "\n".join(shown)
    return f'<div class="line">\n<div class="steps">{steps}{check}</div>{note}\n</div>'


def _piece(sign: str, formula: Expr, lang: str, digits: int) -> str:
    """A part of an equation that stays on one line; a wide one can be scrolled, with a keyboard too."""
    maths = " ".join([sign, to_mathml(formula, digits, lang)]).lstrip()
    if printed_width(formula, digits) <= ROOM:
        return f"<span>{maths}</span>"
    return f'<span tabindex="0" role="group" aria-label="{escape(to_plain(formula, digits))}">{maths}</span>'
