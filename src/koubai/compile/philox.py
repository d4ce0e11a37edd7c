"""Philox4x32-10 in LLVM IR: the words of `koubai.ops.random.philox`, bit by bit, a vector of blocks at once."""

from __future__ import annotations

from collections.abc import Sequence

from koubai.compile.llvm import Function, Value, lanes_of
from koubai.ops.random import KEY_STEPS, MULTIPLIERS, ROUNDS

__all__ = ["philox"]

WORD = 0xFFFFFFFF


def philox(f: Function, block: Value, stream: Value, key: Sequence[int | Value]) -> tuple[Value, Value, Value, Value]:
    """The four words of blocks of a stream, as wide as `block`; the upper halves of the lanes are zero.

    Parameters
    ----------
    block, stream : i64, or vectors of them
    key : two words; numbers, or values of type i64
    """
    a, b = _halves(f, block)
    c, d = _halves(f, stream)
    for turn in range(ROUNDS):
        keys = [_key(f, k, turn * step, block) for k, step in zip(key, KEY_STEPS)]
        (low_a, high_a), (low_c, high_c) = (
            _halves(f, f.mul(x, f.constant(factor, x.type))) for x, factor in zip((a, c), MULTIPLIERS)
        )
        a, c = (
            f.binary("xor", f.binary("xor", high, other), k) for high, other, k in zip((high_c, high_a), (b, d), keys)
        )
        b, d = low_c, low_a
    return a, b, c, d


def _halves(f: Function, x: Value) -> tuple[Value, Value]:
    """The lower and the upper 32 bits."""
    return f.binary("and", x, f.constant(WORD, x.type)), f.binary("lshr", x, f.constant(32, x.type))


def _key(f: Function, k: int | Value, more: int, like: Value) -> Value:
    if isinstance(k, int):
        return f.constant((k + more) & WORD, like.type)
    return f.splat(f.binary("and", f.add(k, f.integer(more)), f.integer(WORD)), lanes_of(like.type))
