"""What the verification of a worked example found."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from koubai.explain.export import plain, short
from koubai.explain.table import table

__all__ = ["Claim", "ClaimReport", "Language"]

Language = Literal["en", "ja"]

HEADS = {"en": ("", "claim", "printed", "computed", "note"), "ja": ("", "項目", "記載値", "計算値", "備考")}
VERDICTS = {
    "en": {"right": "right", "wrong": "WRONG", "unknown": "?"},
    "ja": {"right": "正", "wrong": "誤", "unknown": "不明"},
}


@dataclass(frozen=True, slots=True)
class Claim:
    """One claimed number.

    Attributes
    ----------
    name : str
        What it is said to be: ``"z"``, ``"dz/dx"``, ``"w5'"`` after a step.
    printed : str
        As it was claimed.
    status : {"right", "wrong", "unknown"}
        Right: equal within the printed digits. Unknown: it cannot be computed.
    computed : array or None
        The right value.
    slip : str or None
        The likely mistake: ``"sign"``, ``"product"``, ``"digit"``, ...
    en, ja : str
        What is to be said of it.
    line : int or None
        Where it stands in its file.
    """

    name: str
    printed: str
    status: Literal["right", "wrong", "unknown"]
    computed: Any = None
    slip: str | None = None
    en: str = ""
    ja: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class ClaimReport:
    """All claims of an example; ``str()`` is a table.

    Attributes
    ----------
    claims : tuple of Claim
    lang : {"en", "ja"}
    """

    claims: tuple[Claim, ...]
    lang: Language = "en"

    def __getitem__(self, name: str) -> Claim:
        for claim in self.claims:
            if claim.name == name:
                return claim
        raise KeyError(f"no claim is named {name!r}; there are {', '.join(c.name for c in self.claims)}")

    @property
    def ok(self) -> bool:
        """Whether every claim is right."""
        return all(claim.status == "right" for claim in self.claims)

    @property
    def wrong(self) -> tuple[Claim, ...]:
        """The claims that are wrong."""
        return tuple(claim for claim in self.claims if claim.status == "wrong")

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists, numbers and strings."""
        return {"ok": self.ok, "claims": [plain(asdict(claim)) for claim in self.claims]}

    def summary(self) -> str:
        """One sentence."""
        count = {status: sum(c.status == status for c in self.claims) for status in ("right", "wrong", "unknown")}
        total = len(self.claims)
        if self.lang == "ja":
            parts = [f"{total}項目中、正しいもの{count['right']}"]
            parts += [f"誤り{count['wrong']}"] * bool(count["wrong"])
            parts += [f"計算できないもの{count['unknown']}"] * bool(count["unknown"])
            return "、".join(parts) + "。"
        parts = [f"{count['right']} of {total} claims {'is' if count['right'] == 1 else 'are'} right"]
        parts += [f"{count['wrong']} wrong"] * bool(count["wrong"])
        parts += [f"{count['unknown']} not computable"] * bool(count["unknown"])
        return ", ".join(parts)

    def table(self) -> list[tuple[str, ...]]:
        """The head, then a row a claim."""
        rows: list[tuple[str, ...]] = [HEADS[self.lang]]
        for claim in self.claims:
            computed = "" if claim.computed is None else _digits(claim)
            note = claim.ja if self.lang == "ja" else claim.en
            rows.append((VERDICTS[self.lang][claim.status], claim.name, claim.printed, computed, note))
        return rows

    def __str__(self) -> str:
        return "\n".join([*table(self.table()), self.summary()])


def _digits(claim: Claim) -> str:
    """The computed value, to two digits more than were printed."""
    if getattr(claim.computed, "ndim", 0):
        return short(claim.computed)
    mantissa = re.split("[eExX×·*/%]", claim.printed)[0].lstrip("≈≒~-−+0. ")
    digits = sum(c.isdigit() for c in mantissa)
    return f"{float(claim.computed):.{min(max(digits + 2, 6), 16)}g}"
