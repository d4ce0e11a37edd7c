"""Attention: every position of a sequence gathers what it needs from all positions."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.nn import functional as F
from koubai.nn import init
from koubai.nn.activate import softmax
from koubai.nn.layers import Dropout, Linear
from koubai.nn.module import Module
from koubai.nn.parameter import Parameter
from koubai.ops.elementwise import equal, logical_or, where
from koubai.ops.matmul import matmul, swapped
from koubai.ops.shape import reshape, transpose
from koubai.tensor import numpy as knp
from koubai.tensor.numpy.arguments import arrayed

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Several heads, each of which mixes the values by how well their keys match the query.

    With q, k, v the projections of query, key and value, each head has its own d = embed_dim / num_heads of their
    features::

        head = softmax(q k^T / sqrt(d) + mask) v
        y    = (the heads side by side) W_out + b_out

    Parameters
    ----------
    embed_dim, num_heads : int
        embed_dim must be a multiple of num_heads.
    dropout : float
        With this probability an attention weight is dropped, in training.
    bias : bool
        Whether the projections have biases.
    causal : bool
        Whether a position sees only itself and what stands before it.
    dtype : numpy dtype

    Attributes
    ----------
    in_proj_weight : Parameter (embed_dim, 3 embed_dim)
        The projections to q, k and v, side by side; `in_proj_bias` of shape (3 embed_dim,) or None. The first values
        are those of PyTorch: Glorot's, and biases of 0.
    out_proj : Linear (embed_dim, embed_dim)

    Notes
    -----
    ``layer(query, key=None, value=None, attn_mask=None, key_padding_mask=None, need_weights=False)`` takes arrays
    of shape (batch, length, embed_dim), or (length, embed_dim) for one sequence. Without a key it is the query
    that is attended to (self-attention), without a value the key. It returns an array of the query's shape; with
    `need_weights` also the attention weights, the mean over the heads, of shape (batch, queries, keys).

    Masks mean what they mean in PyTorch's layer: attn_mask, of shape (queries, keys) or any that broadcasts to
    (batch, heads, queries, keys), holds truth values, True where a query must not look, or numbers that are added
    to the scores; key_padding_mask (batch, keys) is True for keys that nobody sees. A query that may not look
    anywhere gets zeros from its heads, and gives no gradient to them.

    References
    ----------
    Vaswani et al., "Attention is all you need" (2017).

    Examples
    --------
    >>> import koubai as kb
    >>> x = np.ones((5, 7, 6))
    >>> layer = kb.nn.MultiheadAttention(6, 2, causal=True)
    >>> y, weights = layer(x, need_weights=True)
    >>> y.shape, weights.shape, float(weights.numpy()[0, 0, 1:].sum())
    ((5, 7, 6), (5, 7, 7), 0.0)
    """

    in_proj_weight: Parameter
    in_proj_bias: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        causal: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        self.embed_dim, self.num_heads = F.positive("MultiheadAttention", embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim % num_heads:
            raise UsageError(
                f"MultiheadAttention: expected embed_dim to be a multiple of num_heads, got {embed_dim} and {num_heads}"
            )
        self.bias, self.causal, self.dropout = bool(bias), bool(causal), float(dropout)
        shape = (self.embed_dim, 3 * self.embed_dim)
        self.in_proj_weight = Parameter(shape=shape, initializer=init.xavier_uniform(), dtype=dtype)
        self.in_proj_bias = None
        if bias:
            self.in_proj_bias = Parameter(shape=shape[1:], initializer=init.zeros(), dtype=dtype)
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype, bias_init=init.zeros())
        self.drop = Dropout(dropout)

    def forward(
        self,
        query: Any,
        key: Any = None,
        value: Any = None,
        attn_mask: Any = None,
        key_padding_mask: Any = None,
        need_weights: bool = False,
    ) -> Any:
        key = query if key is None else key
        value = key if value is None else value
        given = [self._checked(name, x) for name, x in (("query", query), ("key", key), ("value", value))]
        if given[1].shape != given[2].shape or given[0].shape[:-2] != given[1].shape[:-2]:
            shapes = ", ".join(str(x.shape) for x in given)
            raise ShapeError(
                f"{self._name()}: expected as many values as keys and equal batches; query, key, value are {shapes}"
            )
        alone = given[0].ndim == 2
        same = key is query and value is key
        q, k, v = self._projected([reshape(x, shape=(1, *x.shape)) for x in given] if alone else given, same)
        scores = matmul(q, swapped(k)) / sqrt(self.embed_dim // self.num_heads)
        scores, hidden = self._masked(scores, attn_mask, key_padding_mask)
        weights = softmax(scores)
        if hidden is not None:
            weights = where(hidden, 0.0, weights)  # where nothing may be seen, softmax shares equally
        heads = transpose(matmul(self.drop(weights), v), axes=(0, 2, 1, 3))
        y = self.out_proj(reshape(heads, shape=(*heads.shape[:2], self.embed_dim)))
        seen = knp.mean(weights, axis=1)
        y, seen = (y[0], seen[0]) if alone else (y, seen)
        return (y, seen) if need_weights else y

    def _name(self) -> str:
        return self.path or "MultiheadAttention"

    def _checked(self, name: str, x: Any) -> Any:
        x = F.floating(f"{self._name()}: {name}", x)
        if x.ndim not in (2, 3) or x.shape[-1] != self.embed_dim:
            raise ShapeError(
                f"{self._name()}: expected a {name} of shape (batch, length, {self.embed_dim}), or (length, "
                f"{self.embed_dim}) for one sequence, got {x.shape}"
            )
        return x

    def _projected(self, given: list[Any], same: bool) -> list[Any]:
        """q, k and v as (batch, heads, length, features of a head); one product where all are made of the same."""
        n, weight, bias = self.embed_dim, self.in_proj_weight, self.in_proj_bias
        places = [slice(i * n, (i + 1) * n) for i in range(3)]
        if same:
            u = F.linear(given[0], weight, bias)
            parts = [u[..., p] for p in places]
        else:
            parts = [F.linear(x, weight[:, p], None if bias is None else bias[p]) for x, p in zip(given, places)]
        size = n // self.num_heads
        return [transpose(reshape(u, shape=(*u.shape[:2], self.num_heads, size)), axes=(0, 2, 1, 3)) for u in parts]

    def _masked(self, scores: Any, attn_mask: Any, key_padding_mask: Any) -> tuple[Any, Any]:
        """The scores with the hidden ones so low that no weight is left to them, and which are hidden."""
        hidden = []
        batch, _, queries, keys = scores.shape
        if self.causal:
            hidden.append(~np.tri(queries, keys, dtype=bool))
        if key_padding_mask is not None:
            mask = self._truths("key_padding_mask", key_padding_mask, (batch, keys))
            hidden.append(reshape(mask, shape=(mask.shape[0] if mask.ndim == 2 else 1, 1, 1, keys)))
        if attn_mask is not None:
            mask = arrayed(attn_mask)
            if mask.dtype.kind == "f":
                never = equal(mask, -np.inf)
                scores = scores + where(never, 0.0, mask)
                mask = never
            hidden.append(self._truths("attn_mask", mask, scores.shape))
        if not hidden:
            return scores, None
        every = hidden[0]
        for mask in hidden[1:]:
            every = logical_or(every, mask)
        return where(every, float(np.finfo(scores.dtype).min) / 2, scores), every

    def _truths(self, name: str, mask: Any, shape: tuple[int, ...]) -> Any:
        mask = arrayed(mask)
        if mask.dtype.kind != "b":
            raise DTypeError(f"{self._name()}: {name} holds {mask.dtype}, expected truth values, True where hidden")
        try:
            fits = np.broadcast_shapes(mask.shape, shape) == shape
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(f"{self._name()}: expected {name} of a shape that broadcasts to {shape}, got {mask.shape}")
        return mask

    def extra_repr(self) -> str:
        more = [f"dropout={self.dropout}"] * bool(self.dropout) + ["bias=False"] * (not self.bias)
        return ", ".join([f"{self.embed_dim}, {self.num_heads}", *more, *["causal=True"] * self.causal])
