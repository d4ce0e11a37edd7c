"""``koubai ops``: the op table, from the records."""

from __future__ import annotations

import importlib
import pkgutil

import koubai.ops
import koubai.tensor.control
from koubai.errors import DataError
from koubai.explain.table import columns
from koubai.explain.table import table as aligned
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
    rule = tuple("-" * max(map(columns, cells)) for cells in zip(head, *rows))
    return "\n".join(aligned([head, rule, *rows]))


def _line(text: str) -> str:
    return " ".join(text.split())
