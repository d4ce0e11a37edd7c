"""The sets that come with koubai. Their sources and licences stand in ``sets/README.md`` too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from koubai.data.dataset import Dataset
from koubai.data.tables import read_csv
from koubai.errors import UsageError

__all__ = ["load", "names"]

FOLDER = Path(__file__).parent / "sets"
LICENCE = "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)"


@dataclass(frozen=True)
class _Facts:
    read: Callable[[], Dataset]
    description: str
    source: str
    citation: str


def _digits() -> Dataset:
    with np.load(FOLDER / "digits.npz", allow_pickle=False) as file:
        x, t = file["x"], file["t"]
    return Dataset(
        x.astype(np.float32) / np.float32(16.0),
        t.astype(np.int64),
        feature_names=tuple(f"pixel {i},{j}" for i in range(8) for j in range(8)),
        class_names=tuple(map(str, range(10))),
        target_name="digit",
        image_shape=(8, 8),
    )


def _table(name: str) -> Callable[[], Dataset]:
    return lambda: read_csv(FOLDER / f"{name}.csv", target="class")


_SETS = {
    "digits": _Facts(
        _digits,
        "Handwritten digits of 13 people, scanned: 8x8 pixels from 0 (white) to 1 (black), in steps of 1/16.",
        "https://archive.ics.uci.edu/dataset/80",
        "Alpaydin, E., Kaynak, C. (1998). Optical Recognition of Handwritten Digits. UCI Machine Learning "
        "Repository. https://doi.org/10.24432/C50P49",
    ),
    "iris": _Facts(
        _table("iris"),
        "Length and width of sepal and petal of 150 irises of three species.",
        "https://archive.ics.uci.edu/dataset/53",
        "Fisher, R. A. (1936). Iris. UCI Machine Learning Repository. https://doi.org/10.24432/C56C76",
    ),
    "wine": _Facts(
        _table("wine"),
        "Thirteen chemical measurements of wines of one region of Italy, from three cultivars.",
        "https://archive.ics.uci.edu/dataset/109",
        "Aeberhard, S., Forina, M. (1992). Wine. UCI Machine Learning Repository. https://doi.org/10.24432/C5PC7J",
    ),
    "breast_cancer": _Facts(
        _table("breast_cancer"),
        "Thirty measurements of cell nuclei in pictures of breast tissue, malignant or benign.",
        "https://archive.ics.uci.edu/dataset/17",
        "Wolberg, W., Mangasarian, O., Street, N., Street, W. (1993). Breast Cancer Wisconsin (Diagnostic). "
        "UCI Machine Learning Repository. https://doi.org/10.24432/C5DW2B",
    ),
}


def names() -> tuple[str, ...]:
    """The names that `load` knows."""
    return tuple(_SETS)


def load(name: str) -> Dataset:
    """A bundled set: ``"digits"``, ``"iris"``, ``"wine"`` or ``"breast_cancer"``.

    Returns
    -------
    Dataset
        With `description`, `source`, `licence` and `citation`. The pixels of digits are float32 from 0 to 1,
        tables are float64 in their own units, class numbers are int64.

    Raises
    ------
    UsageError
        If no set has that name; the message lists the names.

    Examples
    --------
    >>> digits = load("digits")
    >>> digits
    <Dataset digits: 1797 examples of 8x8 pixels, 10 classes>
    >>> digits.licence
    'CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)'
    """
    facts = _SETS.get(name)
    if facts is None:
        near = get_close_matches(str(name), _SETS, n=1)
        hint = f"did you mean {near[0]!r}? The" if near else "the"
        raise UsageError(f"load: no bundled set is named {name!r}; {hint} names are {', '.join(_SETS)}")
    return replace(
        facts.read(),
        name=name,
        description=facts.description,
        source=facts.source,
        licence=LICENCE,
        citation=facts.citation,
    )
