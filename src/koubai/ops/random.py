"""Random numbers as a pure function of a key and a position: Philox4x32-10, and what is drawn with it.

Counter-based (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the
i-th number follows from the key and i alone, so there is no state, nothing depends on the order of drawing
or on the number of threads, and native code draws the same bits.

A key is a pair of 32-bit words (`key_of`). The counter's four words are the block number (low, high) and
the stream (low, high); each block gives four 32-bit words. The stream is the step in training, or 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import prod
from operator import index
from typing import Any

import numpy as np

from koubai.errors import DTypeError, UnsupportedError, UsageError
from koubai.graph import Op, Refusal, Sample, Type, Words, register
from koubai.ops.define import arrays
from koubai.ops.lowering import Draw

__all__ = [
    "Key",
    "bits",
    "dropout_mask",
    "key_of",
    "normal",
    "permutation",
    "philox",
    "threshold_of",
    "uniform",
]

Key = tuple[int, int]
Words32 = np.ndarray[Any, np.dtype[np.uint32]]

MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEY_STEPS = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
CHUNK = 1 << 14  # blocks at a time: what Philox works on stays in the cache


def key_of(seed: int, *labels: object) -> Key:
    """The key of a seed and the names of what is drawn: two words of a BLAKE2b hash.

    Parameters
    ----------
    seed : int
    labels
        Names and numbers (a parameter's path, an epoch); each list of labels is a key of its own.

    Examples
    --------
    >>> key_of(0, "0.weight") == key_of(0, "0.weight"), key_of(0, "0.weight") == key_of(1, "0.weight")
    (True, False)
    """
    try:
        seed = index(seed)
    except TypeError:
        raise DTypeError(f"seed: expected an integer, got {type(seed).__name__}") from None
    text = repr((seed, *map(str, labels))).encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


def philox(counter: Sequence[Any], key: Key) -> tuple[Words32, Words32, Words32, Words32]:
    """Philox4x32-10: four counter words, arrays or numbers that broadcast, to four random words.

    Examples
    --------
    >>> [f"{int(word):08x}" for word in philox((0, 0, 0, 0), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    # Words 0 and 2, which are multiplied, lie in one array, words 1 and 3 in another: half as many calls.
    # The lanes have 64 bits throughout, so that the products need no casts.
    words = np.stack(np.broadcast_arrays(*(np.asarray(word, np.uint64) for word in counter)))
    even, odd = words[0::2], words[1::2]
    tall = (2,) + (1,) * (words.ndim - 1)
    factors = np.array(MULTIPLIERS, np.uint64).reshape(tall)
    for i in range(ROUNDS):
        keys = [(k + i * step) & 0xFFFFFFFF for k, step in zip(key, KEY_STEPS)]
        product = even * factors
        high = product >> HALF
        even = high[::-1] ^ odd
        even ^= np.array(keys, np.uint64).reshape(tall)
        product &= LOW
        odd = product[::-1]
    (a, c), (b, d) = even.astype(np.uint32), odd.astype(np.uint32)
    return a, b, c, d


def bits(key: Key, count: int, stream: int = 0) -> Words32:
    """The first `count` 32-bit words of a stream.

    Word i is word ``i % 4`` of block ``i // 4``, whatever the count.
    """
    blocks = (count + 3) // 4
    words = np.empty((blocks, 4), np.uint32)
    upper = stream & 0xFFFFFFFF, (stream >> 32) & 0xFFFFFFFF
    for start in range(0, blocks, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, blocks), dtype=np.uint64)
        for column, word in enumerate(philox((numbers & LOW, numbers >> HALF, *upper), key)):
            words[start : start + CHUNK, column] = word
    return words.reshape(-1)[:count]


def uniform(key: Key, shape: Sequence[int] = (), dtype: Any = np.float64, stream: int = 0) -> Any:
    """Numbers uniform on [0, 1): every one a multiple of 2**-24 (float32) or of 2**-53 (float64).

    float32 takes the upper 24 bits of one word an element; float64 the upper 27 bits of one word and the
    upper 26 of the next.

    Examples
    --------
    >>> uniform(key_of(0), (3,), np.float32) < 1
    array([ True,  True,  True])
    """
    dtype, shape, size = _wanted("uniform", dtype, shape)
    if dtype == np.float32:
        return ((bits(key, size, stream) >> 8).astype(np.float32) * np.float32(2.0**-24)).reshape(shape)[()]
    return _uniform53(bits(key, 2 * size, stream)).reshape(shape)[()]


def _uniform53(words: Words32) -> np.ndarray[Any, np.dtype[np.float64]]:
    high, low = (words[0::2] >> 5).astype(np.float64), (words[1::2] >> 6).astype(np.float64)
    return (high * 2.0**26 + low) * 2.0**-53


def normal(key: Key, shape: Sequence[int] = (), dtype: Any = np.float64, stream: int = 0) -> Any:
    """Numbers of the standard normal distribution, by the method of Box and Muller (1958).

    Elements 2j and 2j + 1 are r cos(a) and r sin(a) with r = sqrt(-2 ln(1 - u)), a = 2 pi v, where u and v
    are uniform numbers 2j and 2j + 1: of 32 bits for float32 and of 53 bits for float64. Computed in float64
    and rounded at the end, so that float32 results do not depend on the machine's logarithm.

    Examples
    --------
    >>> abs(float(normal(key_of(0), (1000,)).mean())) < 0.1
    True
    """
    dtype, shape, size = _wanted("normal", dtype, shape)
    even = size + size % 2
    if dtype == np.float32:
        u = bits(key, even, stream).astype(np.float64) * 2.0**-32
    else:
        u = _uniform53(bits(key, 2 * even, stream))
    radius = np.sqrt(-2.0 * np.log1p(-u[0::2]))
    turn = 2.0 * np.pi * u[1::2]
    both = np.stack((radius * np.cos(turn), radius * np.sin(turn)), axis=-1)
    return both.reshape(-1)[:size].astype(dtype).reshape(shape)[()]


def permutation(key: Key, n: int, stream: int = 0) -> np.ndarray[Any, np.dtype[np.intp]]:
    """The numbers 0 to n - 1 in random order.

    The order that sorts n random 32-bit words, equal words in order of position (a stable sort). Two equal
    words occur with probability about n**2 / 2**33 and leave one pair unshuffled, which no one will notice.

    Examples
    --------
    >>> sorted(permutation(key_of(0, "shuffle", 3), 5).tolist())
    [0, 1, 2, 3, 4]
    """
    return np.argsort(bits(key, n, stream), kind="stable")


def _wanted(name: str, dtype: Any, shape: Sequence[int]) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise DTypeError(f"{name}: expected dtype float32 or float64, got {dtype}")
    shape = tuple(int(n) for n in shape)
    return dtype, shape, prod(shape)


def threshold_of(rate: float) -> int:
    """The number below which a 32-bit word falls with probability `rate`."""
    return round(rate * 2.0**32)


def _dropout_mask(x: Any, step: Any, *, key: Key, rate: float) -> Any:
    dtype = np.asarray(x).dtype
    kept = bits(key, np.size(x), int(step)) >= threshold_of(rate)
    scale = dtype.type(1.0 / (1.0 - rate)) if rate < 1.0 else dtype.type(0.0)
    return (kept * scale).astype(dtype, copy=False).reshape(np.shape(x))[()]


def _dropout_mask_infer(x: Type, step: Type, *, key: Key, rate: float) -> Type:
    if not 0.0 <= rate <= 1.0:
        raise UsageError(f"dropout_mask: expected a rate from 0 to 1, got {rate}")
    if not x.differentiable:
        raise DTypeError(f"dropout_mask: expected floating-point or complex values, got {x.dtype}")
    if step.shape != () or step.dtype.kind not in "iu":
        raise DTypeError(f"dropout_mask: expected the step to be one integer, got {step}")
    return Type(x.shape, x.dtype)


def _dropout_mask_batch(op: Op, size: int, batched: Sequence[bool], x: Any, step: Any, *, key: Key, rate: float) -> Any:
    # The words run on through the whole stack: every example has a mask of its own, the one that it has
    # when the stack is given as one array.
    if batched[1]:
        raise UnsupportedError("dropout_mask: the step must be the same for all examples of a vmap")
    return op(x, step, key=key, rate=rate)


def _mask_element(e: Any, word: Any, dtype: Any, *, key: Key, rate: float) -> Any:
    zero, limit = e.constant(0.0, dtype), threshold_of(rate)
    if limit > LOW:
        return zero
    return e.select(e.ge(word, e.number(limit, word)), e.constant(1.0 / (1.0 - rate), dtype), zero)


dropout_mask = register(Op(
    "dropout_mask", _dropout_mask, _dropout_mask_infer, batch=_dropout_mask_batch, lower=Draw(_mask_element),
    words=Words("y = (u >= rate)/(1 - rate), u = uniform(key, step)", "0",
                "A random mask of x's shape: the same key and step give the same mask.",
                "x と同じ形のランダムなマスク。鍵とステップ番号だけで決まり、同じなら同じマスクになる。",
                symbols=("x", "step")),
    samples=lambda: [Sample((x, 3), {"key": key_of(0, "sample"), "rate": 0.4})
                     for x in arrays((), (5,), (2, 3), (0, 2))],
    refuses=lambda: [Refusal((np.arange(3), 0), {"key": (0, 0), "rate": 0.5}, DTypeError, "floating-point"),
                     Refusal((np.ones(3), 0), {"key": (0, 0), "rate": 1.5}, UsageError, "from 0 to 1")],
))  # fmt: skip
