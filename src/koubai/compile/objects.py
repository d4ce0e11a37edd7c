"""The compiler's own small functions as machine code: the same text in every process."""

from __future__ import annotations

from collections.abc import Callable

from koubai.compile.cache import fetch, store
from koubai.compile.key import key_of_text
from koubai.compile.llvm.engine import Code, object_code

__all__ = ["cached_code"]


def cached_code(name: str, text: Callable[[], str]) -> Code:
    """The code of a module of the compiler itself, from the cache or compiled from its text."""
    key = key_of_text(name)
    found = fetch(key)
    if found is not None:
        return Code.loaded(found[1])
    code = object_code(text())
    store(key, {}, code)
    return Code.loaded(code)
