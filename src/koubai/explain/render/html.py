"""Explanations as HTML with MathML: a fragment for a page or a notebook, without scripts and outside references."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from koubai.explain.formula.mathml import to_mathml
from koubai.explain.phrases import Phrases
from koubai.explain.render.parts import agreement_text, in_words, steps_of

if TYPE_CHECKING:
    from koubai.explain.derivation import Explanation, Line

__all__ = ["to_html", "to_page"]

# Colours are those of the page around, so that it reads in light and dark notebooks alike.
STYLE = """
.koubai-explanation { max-width: 60rem; line-height: 1.6; }
.koubai-explanation h2 { font-size: 1.3em; margin: 0.4em 0; }
.koubai-explanation h3 { font-size: 1.1em; margin: 1.4em 0 0.3em; border-bottom: 1px solid; padding-bottom: 0.2em; }
.koubai-explanation p { margin: 0.2em 0; }
.koubai-explanation .line { margin: 0.7em 0; padding-left: 1em; border-left: 2px solid rgb(158 52 95 / 45%); }
.koubai-explanation .steps { display: flex; flex-wrap: wrap; gap: 0.25em 0.6em; align-items: center;
  overflow: auto hidden; padding: 0.15em 0; }
.koubai-explanation .steps > span { white-space: nowrap; }
.koubai-explanation .note { opacity: 0.8; font-size: 0.95em; }
.koubai-explanation .check { font-size: 0.85em; opacity: 0.75; }
.koubai-explanation .check.off { opacity: 1; font-weight: bold; }
"""


def to_html(explanation: Explanation) -> str:
    """The explanation as one ``<section>`` with its own style."""
    say = Phrases(explanation.lang)
    parts = [
        f'<section class="koubai-explanation" lang="{explanation.lang}">',
        f"<style>{STYLE}</style>",
        f"<h2>{escape(explanation.title)}</h2>",
    ]
    for section in explanation.sections:
        parts.append(f"<h3>{escape(section.title)}</h3>")
        if section.text:
            parts.append(f"<p>{_words(section.text)}</p>")
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
{to_html(explanation)}
</body>
</html>"""


def _words(sentence: str) -> str:
    return in_words(sentence, to_mathml, escape)


def _line(line: Line, say: Phrases, digits: int) -> str:
    symbol = to_mathml(line.symbol, digits, say.lang)
    steps = [to_mathml(step, digits, say.lang) for step in steps_of(line, digits)]
    shown = "\n".join([f"<span>{symbol}</span>", *(f"<span>= {step}</span>" for step in steps)])
    agreement = agreement_text(line, say, digits)
    kind = "check" if line.agreement is None or line.agreement.ok else "check off"
    check = f'\n<span class="{kind}">{escape(agreement)}</span>' if agreement else ""
    note = f'\n<p class="note">{_words(line.note)}</p>' if line.note else ""
    return f'<div class="line">\n<div class="steps">{shown}{check}</div>{note}\n</div>'
