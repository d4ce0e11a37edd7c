"""Explanations as text for a terminal, as LaTeX and as HTML. Nothing here computes."""

from koubai.explain.render.html import to_html, to_page
from koubai.explain.render.latex import to_document, to_latex_body
from koubai.explain.render.text import to_text

__all__ = ["to_document", "to_html", "to_latex_body", "to_page", "to_text"]
