"""The misconception lab: wrong backward passes beside the right one, and the node where they part."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from koubai.errors import DTypeError, UsageError
from koubai.explain.export import plain, short
from koubai.explain.mistakes import MISTAKES, Mistake, gradients_with
from koubai.explain.record import Record, RecordNode, record
from koubai.explain.table import table
from koubai.tensor import Tensor

__all__ = ["Misconception", "Misconceptions", "misconceptions"]

Language = Literal["en", "ja"]
EXACT = {"float16": 1e-2, "float32": 1e-4, "complex64": 1e-4}

HEADS = {
    "en": ("parts at", "right", "wrong", "mistake"),
    "ja": ("食い違うノード", "正しい勾配", "誤った勾配", "誤り"),
}
NEVER = {"en": "nowhere", "ja": "なし"}


@dataclass(frozen=True, slots=True)
class Misconception:
    """What one wrong algorithm makes of a computation.

    Attributes
    ----------
    key : str
        ``"overwritten"``, ``"early"``, ``"product"``, ...
    en, ja : str
        What the algorithm does.
    node, index : str, int or None
        The first node, in the order of the backward pass, whose gradient is wrong; None where none is.
    where : str or None
        Where the user's code made that node.
    right, wrong : array or None
        Its gradient, and what the algorithm takes for it.
    leaves : tuple of str
        The inputs and parameters that receive a wrong gradient in the end.
    """

    key: str
    en: str
    ja: str
    node: str | None = None
    index: int | None = None
    where: str | None = None
    right: Any = None
    wrong: Any = None
    leaves: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether the mistake shows in this computation."""
        return self.node is not None


@dataclass(frozen=True, slots=True)
class Misconceptions:
    """All of them, for one computation; ``str()`` is a table.

    Attributes
    ----------
    rows : tuple of Misconception
    lang : {"en", "ja"}
    """

    rows: tuple[Misconception, ...]
    lang: Language = "en"

    def __getitem__(self, key: str) -> Misconception:
        found = next((row for row in self.rows if row.key == key), None)
        if found is None:
            raise UsageError(f"misconceptions: none is named {key!r}; there are {', '.join(r.key for r in self.rows)}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists, numbers and strings."""
        return {"rows": [plain(asdict(row)) for row in self.rows]}

    def __str__(self) -> str:
        rows = [HEADS[self.lang]]
        for row in self.rows:
            right, wrong = (short(row.right), short(row.wrong)) if row.differs else ("", "")
            rows.append((row.node or NEVER[self.lang], right, wrong, row.ja if self.lang == "ja" else row.en))
        return "\n".join(table(rows))


def misconceptions(output: Tensor | Record, lang: Language = "en") -> Misconceptions:
    """Run the classic wrong algorithms of backpropagation beside the right one.

    Each does all of the backward pass rightly but for one mistake: messages that overwrite each other, nodes that do
    not wait, products that do not swap, activation functions without their derivative, sums over the batch that are
    forgotten, and so on. The first node whose gradient comes out wrong shows where the mistake is made, and the
    mistakes that make no difference show which examples cannot tell right from wrong.

    Parameters
    ----------
    output : Tensor or Record
        The output of a computation, of size 1; or what `koubai.record` made of it.
    lang : {"en", "ja"}

    Returns
    -------
    Misconceptions

    Raises
    ------
    UsageError
        As `koubai.record`, and for a language that is not spoken here.

    Examples
    --------
    >>> import koubai as kb
    >>> x = kb.tensor(3.0, requires_grad=True, name="x")
    >>> y = kb.tensor(2.0, requires_grad=True, name="y")
    >>> lab = kb.misconceptions(x * y + x)
    >>> lab["overwritten"].node, float(lab["overwritten"].right), float(lab["overwritten"].wrong)
    ('x', 3.0, 2.0)
    >>> lab["activation"].differs
    False
    """
    if lang not in HEADS:
        raise UsageError(f"misconceptions: lang must be 'en' or 'ja', got {lang!r}")
    if not isinstance(output, (Tensor, Record)):
        raise DTypeError(f"misconceptions: expected a tensor or a record, got {type(output).__name__}")
    right = output if isinstance(output, Record) else record(output)
    order = [edge.source for edge in right.edges][::-1]
    order = list(dict.fromkeys(order))[::-1]  # each node where its last message arrives: when it is complete
    with np.errstate(all="ignore"):
        return Misconceptions(tuple(_beside(right, order, mistake) for mistake in MISTAKES), lang)


def _beside(right: Record, order: list[RecordNode], mistake: Mistake) -> Misconception:
    wrong = gradients_with(right, mistake)
    parted = dict.fromkeys(node for node in order if not _same(node.grad, wrong.get(node)))
    leaves = tuple(node.symbol for node in right.nodes if node.op is None and node in parted)
    if not parted:
        return Misconception(mistake.key, mistake.en, mistake.ja)
    first = next(iter(parted))
    return Misconception(
        mistake.key,
        mistake.en,
        mistake.ja,
        first.symbol,
        first.index,
        first.where,
        first.grad,
        wrong.get(first),
        leaves,
    )


def _same(a: Any, b: Any) -> bool:
    if b is None:
        return False
    if type(a) is tuple:
        return all(map(_same, a, b))
    scale = np.abs(a).max(initial=0.0)
    close = EXACT.get(str(np.asarray(a).dtype), 1e-9)
    return bool(np.allclose(a, b, rtol=close, atol=close * scale, equal_nan=True))
