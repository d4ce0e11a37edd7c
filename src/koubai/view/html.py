"""The page as one file: template, styles, scripts and data joined."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

__all__ = ["embedded_json", "page"]

STYLES = ("colours.css", "page.css", "graph.css", "panel.css")
SCRIPTS = (
    "tools.js", "text.js", "model.js", "fold.js", "heat.js", "draw.js", "camera.js", "panel.js", "player.js",
    "search.js", "main.js",
)  # fmt: skip


def page(data: dict[str, Any]) -> str:
    """The page that shows this data, without a reference to anything outside of it.

    A content security policy admits exactly the styles and the script that stand in it, by their hashes, and no
    connection: even text that were taken for markup could neither run nor fetch.
    """
    template, style, script = _parts()
    values = {
        "title": html.escape(f"{data['title']} · koubai" if data["title"] else "koubai"),
        "style": style,
        "script": script,
        "style-hash": _hash(style),
        "script-hash": _hash(script),
        "data": embedded_json(data),
    }
    pieces = template.split("{{")
    filled = [pieces[0]]
    for piece in pieces[1:]:
        name, rest = piece.split("}}", 1)
        filled += [values[name], rest]
    return "".join(filled)


def embedded_json(data: Any) -> str:
    r"""JSON that may stand in a script element: nothing in it ends the element or begins a comment.

    Examples
    --------
    >>> embedded_json({"name": "</script>"})
    '{"name":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode(errors="replace").decode()  # a lone surrogate in a name has no place in a file


@lru_cache(maxsize=1)
def _parts() -> tuple[str, str, str]:
    folder = files("koubai.view") / "page"

    def read(names: tuple[str, ...]) -> str:
        return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)

    return read(("page.html",)), read(STYLES), f'(() => {{\n"use strict";\n{read(SCRIPTS)}\n}})();'


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
