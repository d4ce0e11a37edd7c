"""``koubai ops``: the op table, from the records."""

from __future__ import annotations

import importlib
import pkgutil
from unicodedata import east_asian_width

import koubai.ops
import koubai.tensor.control
from koubai.errors import DataError
from koubai.graph import registry

__all__ = ["table"]

HEADS = {None: ("op", "formula", "local derivative"), "en": ("op", "formula", "local derivative", "in words")}


def table(pattern: str, lang: str | None) -> str:
    """The table as text, its columns aligned; `lang` adds a sentence for each op.

    Raises
    ------
    DataError
        If no op contains `pattern`.
    """
    for module in pkgutil.walk_packages(koubai.ops.__path__, "koubai.ops."):
        importlib.import_module(module.name)
    rows = []
    for name, op in registry().items():
        words = op.words
        sentence = {"ja": (words.ja,), "en": (words.en,)}.get(lang or "", ())
        row = (name, _line(words.formula), _line(words.derivative), *sentence)
        if pattern.lower() in " ".join(row).lower():
            rows.append(row)
    if not rows:
        raise DataError(f"no op contains {pattern!r}; `koubai ops` without a word lists all {len(registry())}")
    head = ("演算", "式", "局所微分", "説明") if lang == "ja" else HEADS[lang]
    widths = [max(_width(row[i]) for row in (head, *rows)) for i in range(len(head))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(_joined(row, widths) for row in (head, rule, *rows))


def _line(text: str) -> str:
    return " ".join(text.split())


def _width(text: str) -> int:
    """Columns on a terminal: Chinese and Japanese characters take two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def _joined(row: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths)).rstrip()
