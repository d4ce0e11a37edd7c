"""``koubai view``: an expression, or a computation in a Python file, as a page or a picture."""

from __future__ import annotations

from collections.abc import Sequence

from koubai.cli.explain import what_to_explain
from koubai.view import view as write_view

__all__ = ["view"]


def view(what: str, values: Sequence[str], out: str, title: str | None, lang: str | None) -> int:
    """Write the file and say where it is; returns the exit code."""
    first, *rest = what_to_explain(what, values)
    written = write_view(first, out, *rest, title=title, lang=lang)
    print(written)
    return 0
