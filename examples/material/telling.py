"""What the examples share: they speak one of two languages, and save pictures without opening a window."""

from __future__ import annotations

import argparse
import io
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import koubai as kb

# Fonts with Japanese letters as Linux, macOS and Windows bring them along.
JAPANESE_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "Hiragino Sans",
    "Hiragino Maru Gothic Pro",
    "Yu Gothic",
    "Meiryo",
    "BIZ UDGothic",
    "IPAexGothic",
    "IPAGothic",
    "TakaoPGothic",
    "VL PGothic",
    "Noto Serif CJK JP",
    "MS Gothic",
)
LOOK = {"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "font.size": 11,
        "legend.frameon": False, "savefig.dpi": 160, "svg.hashsalt": "koubai", "axes.unicode_minus": False}  # fmt: skip
BLUE, RED, GREEN, GREY = "#1f5fa8", "#c8375a", "#2e8b57", "#7a7a7a"

Words = Callable[[str, str], str]


class Telling:
    """Calling it prints the sentence in the reader's language; `picture` saves one."""

    def __init__(self, lang: str, out: Path) -> None:
        self.lang, self.out = lang, out

    def __call__(self, en: str, ja: str) -> None:
        print(ja if self.lang == "ja" else en)

    def heading(self, en: str, ja: str) -> None:
        text = ja if self.lang == "ja" else en
        wide = sum(ord(c) > 0x2E7F for c in text)
        print(f"\n{text}\n{'-' * (len(text) + wide)}")

    def picture(self, name: str, draw: Callable[[Any, Words], None], size: tuple[float, float] = (7.0, 4.4)) -> None:
        """Save what `draw(figure, words)` draws as NAME.png and NAME.svg; `words` picks the language of a label."""
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of caches that it cannot write
        try:
            import matplotlib
            from matplotlib.figure import Figure
            from matplotlib.font_manager import fontManager
        except ImportError:
            self(
                f"({name}: no picture without matplotlib; pip install matplotlib)",
                f"({name}: 図には matplotlib が必要です。pip install matplotlib)",
            )
            return
        known = {font.name for font in fontManager.ttflist}
        font = next((f for f in JAPANESE_FONTS if f in known), None) if self.lang == "ja" else None
        with matplotlib.rc_context({**LOOK, "font.family": [font] if font else ["DejaVu Sans"]}):
            figure = Figure(figsize=size, layout="constrained")
            draw(figure, lambda en, ja: ja if font else en)
            self.out.mkdir(parents=True, exist_ok=True)
            figure.savefig(self.out / f"{name}.png")
            figure.savefig(self.out / f"{name}.svg", metadata={"Date": None})
        self(f"-> {self.out / name}.png, .svg", f"→ 図: {self.out / name}.png, .svg")

    def graph(self, name: str, seen: kb.Record, title: str) -> None:
        """Save a record as a picture, NAME.svg, and as a page to step through, NAME.html."""
        self.out.mkdir(parents=True, exist_ok=True)
        for ending in ("svg", "html"):
            kb.view(seen, self.out / f"{name}.{ending}", title=title, lang=self.lang)
        self(
            f"-> {self.out / name}.svg, .html (a page to step through)",
            f"→ 図: {self.out / name}.svg, .html(1ステップずつ進めるページ)",
        )

    def derivation(self, name: str, explained: kb.Explanation) -> None:
        """Save an explanation as a page, NAME.html."""
        self.out.mkdir(parents=True, exist_ok=True)
        head = f'<!doctype html><html lang="{self.lang}"><meta charset="utf-8"><title>{name}</title>'
        (self.out / f"{name}.html").write_text(f"{head}\n{explained.html}\n", encoding="utf-8")
        self(
            f"-> {self.out / name}.html (the whole derivation)",
            f"→ {self.out / name}.html(導出の全体)",
        )


def begin(about: str, argv: Sequence[str] | None) -> Telling:
    """Read ``--lang`` and ``--out``."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--lang", choices=("en", "ja"), default="en", help="language of text and labels")
    parser.add_argument("--out", type=Path, default=Path("pictures"), help="folder of the pictures (default: pictures)")
    given = parser.parse_args(argv)
    if given.out.exists() and not given.out.is_dir():
        parser.error(f"--out: expected a folder, {given.out} is a file")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a letter shows "?" instead of failing
    return Telling(given.lang, given.out)
