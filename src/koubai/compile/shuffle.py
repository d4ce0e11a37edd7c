"""The order of an epoch in native code: the same permutation as `ops.random.permutation`, to the bit.

Random words from Philox4x32-10, and the order that sorts them: by a stable radix sort of 11 bits at a time.
"""

from __future__ import annotations

from koubai.compile.llvm import Function, Module, Value, vector
from koubai.compile.native.runs import interleaved
from koubai.compile.philox import philox

__all__ = ["scratch_bytes", "write_shuffle"]

LANES = 8
DIGIT = 11  # bits
BUCKETS = 1 << DIGIT
PASSES = 3  # cover 32 bits


def scratch_bytes(n: int) -> int:
    """What a shuffle of n numbers needs besides the order itself: words twice, an order once, the buckets."""
    words = -(-n // (4 * LANES)) * 4 * LANES
    return 2 * 4 * words + 8 * n + 8 * BUCKETS


def write_shuffle(module: Module) -> str:
    """``void shuffle(ptr order, i64 n, i64 key0, i64 key1, ptr scratch)``: 0 to n - 1 (i64) in random order."""
    name = "shuffle"
    arguments = [("ptr", "order"), ("i64", "n"), ("i64", "key0"), ("i64", "key1"), ("ptr", "scratch")]
    f = module.function(name, arguments, attributes="nounwind noinline", linkage="internal")
    order, n, key0, key1, scratch = f.arguments
    words = f.mul(f.binary("sdiv", f.add(n, f.integer(4 * LANES - 1)), f.integer(4 * LANES)), f.integer(4 * LANES))
    first, second = scratch, f.offset(scratch, words, "i32")
    other = f.offset(second, words, "i32")
    buckets = f.offset(other, n, "i64")
    _draw(f, first, words, (key0, key1))
    with f.loop(0, n) as i:
        f.store(i, f.offset(order, i, "i64"))
    # Three passes end in the other place, so the last writes the order only, where it belongs.
    _sort(f, n, (first, order), (second, other), buckets, 0)
    _sort(f, n, (second, other), (first, order), buckets, 1)
    _sort(f, n, (first, order), (second, other), buckets, 2)
    f.copy(other, order, f.mul(n, f.integer(8)))
    f.ret()
    return name


def _draw(f: Function, words: Value, count: Value, key: tuple[Value, Value]) -> None:
    """Word i of the stream is word i % 4 of block i // 4; LANES blocks at once."""
    wide = vector("i64", LANES)
    with f.loop(0, count, 4 * LANES) as start:
        block = f.add(f.splat(f.binary("lshr", start, f.integer(2)), LANES), f.lanes(range(LANES), "i64"))
        drawn = (f.convert("trunc", x, vector("i32", LANES)) for x in philox(f, block, f.zero(wide), key))
        f.store(interleaved(f, list(drawn)), f.offset(words, start, "i32"))


def _sort(
    f: Function, n: Value, source: tuple[Value, Value], target: tuple[Value, Value], buckets: Value, number: int
) -> None:
    """One pass: by a digit, those with the same digit in the order in which they came."""
    with f.loop(0, BUCKETS) as k:
        f.store(f.integer(0), f.offset(buckets, k, "i64"))

    def bucket(i: Value) -> tuple[Value, Value]:
        word = f.load(f.offset(source[0], i, "i32"), "i32")
        shifted = f.binary("lshr", word, f.integer(number * DIGIT, "i32"))
        digit = f.binary("and", shifted, f.integer(BUCKETS - 1, "i32"))
        return word, f.offset(buckets, f.convert("zext", digit, "i64"), "i64")

    with f.loop(0, n) as i:
        _, place = bucket(i)
        f.store(f.add(f.load(place, "i64"), f.integer(1)), place)
    so_far = f.variable(f.integer(0))
    with f.loop(0, BUCKETS) as k:
        place = f.offset(buckets, k, "i64")
        count, start = f.load(place, "i64"), f.load(so_far, "i64")
        f.store(start, place)
        f.store(f.add(start, count), so_far)
    with f.loop(0, n) as i:
        word, place = bucket(i)
        at = f.load(place, "i64")
        f.store(f.add(at, f.integer(1)), place)
        if number < PASSES - 1:
            f.store(word, f.offset(target[0], at, "i32"))
        f.store(f.load(f.offset(source[1], i, "i64"), "i64"), f.offset(target[1], at, "i64"))
