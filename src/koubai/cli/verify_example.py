"""``koubai verify-example``: the claimed numbers of a worked example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from koubai.explain.claims import verify_example as verified

__all__ = ["verify_example"]


def verify_example(file: str, claims: str | None, lang: Literal["en", "ja"], as_json: bool) -> int:
    """Verify and print; returns the exit code."""
    report = verified(Path(file), None if claims is None else Path(claims), lang=lang)
    print(json.dumps(report.to_dict(), ensure_ascii=False) if as_json else report)
    return 0 if report.ok else 1
