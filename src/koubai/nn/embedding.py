"""Embedding: a table of vectors, looked up by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import DTypeError
from koubai.nn import functional as F
from koubai.nn import init
from koubai.nn.init import Initializer
from koubai.nn.module import Module
from koubai.nn.parameter import Parameter
from koubai.ops.guard import within
from koubai.ops.index import Slot, getitem
from koubai.tensor.numpy.arguments import arrayed

__all__ = ["Embedding"]


class Embedding(Module):
    """``y = W[index]``: each number stands for a row of a table, which is trained.

    The gradient of a row is the sum over all places where the row was looked up.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Rows of the table, and their length.
    dtype : numpy dtype
    weight_init : initializer, optional
        By default the standard normal distribution, as in PyTorch.

    Attributes
    ----------
    weight : Parameter (num_embeddings, embedding_dim)

    Notes
    -----
    A call takes integers from 0 to num_embeddings - 1, of any shape, and returns an array with one more axis. All
    are looked at before a row is: one outside the range raises `LabelError` (an IndexError), a float `DTypeError`.
    `fit` and `predict` leave integer inputs as they are in a model with such a layer.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.nn.Embedding(10, 4)([[1, 2, 3], [3, 9, 0]]).shape
    (2, 3, 4)
    """

    takes_indices = True
    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        dtype: Any = np.float32,
        *,
        weight_init: Initializer | None = None,
    ) -> None:
        shape = F.positive("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings, self.embedding_dim = shape
        self.weight = Parameter(shape=shape, initializer=weight_init or init.normal(), dtype=dtype)

    def forward(self, index: Any) -> Any:
        index, name = arrayed(index), f"Embedding {self.path}".strip()
        if index.dtype.kind not in "iu":
            raise DTypeError(f"{name}: expected integers, the numbers of rows, got dtype {index.dtype}")
        remedy = f"; the table has {self.num_embeddings} rows"
        index = within(index, low=0, high=self.num_embeddings - 1, ignore=None, what=f"{name}: index", remedy=remedy)
        return getitem(self.weight, index, pattern=(Slot(0),))

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"
