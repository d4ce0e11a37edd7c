"""Derivations as plain data: what an explanation says, before anything decides how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from koubai.explain.formula import Expr
from koubai.explain.replay import Agreement

__all__ = ["Explanation", "Line", "Section"]


@dataclass(frozen=True, slots=True)
class Line:
    """One quantity: how it is computed, with symbols and with numbers, and what comes out.

    Attributes
    ----------
    symbol : Expr
        The quantity.
    steps : tuple of Expr
        What it is equal to, from the rule to the numbers.
    result : number, array or None
        The computed value, None where the steps say everything.
    agreement : Agreement or None
        The result beside numerical differentiation.
    note : str
        A sentence, or nothing. What stands between backquotes in it is a formula.
    """

    symbol: Expr
    steps: tuple[Expr, ...]
    result: Any = None
    agreement: Agreement | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under a title.

    Attributes
    ----------
    title : str
    lines : tuple of Line
    text : str
        What is said before the lines, or nothing.
    """

    title: str
    lines: tuple[Line, ...]
    text: str = ""


@dataclass(frozen=True)
class Explanation:
    """A derivation with its numbers. ``print`` it; in a notebook it shows itself as mathematics.

    Attributes
    ----------
    title : str
    sections : tuple of Section
    lang : {"en", "ja"}
    digits : int
        How many significant digits are shown.
    """

    title: str
    sections: tuple[Section, ...]
    lang: str = "en"
    digits: int = 6

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all sections."""
        return tuple(line for section in self.sections for line in section.lines)

    @cached_property
    def text(self) -> str:
        """As plain text for a terminal."""
        return self._rendered("to_text")

    @cached_property
    def latex(self) -> str:
        """As LaTeX, to be put into a document that uses amsmath; `document` is a whole one."""
        return self._rendered("to_latex_body")

    @cached_property
    def document(self) -> str:
        """As a LaTeX document, for pdflatex; with other than Latin letters for xelatex, as its first line says."""
        return self._rendered("to_document")

    @cached_property
    def html(self) -> str:
        """As HTML with MathML: a fragment without scripts or outside references."""
        return self._rendered("to_html")

    @cached_property
    def page(self) -> str:
        """As a whole HTML page, in light and dark."""
        return self._rendered("to_page")

    def _rendered(self, how: str) -> str:
        from koubai.explain import render  # which reads the classes defined here

        text: str = getattr(render, how)(self)
        return text

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html
