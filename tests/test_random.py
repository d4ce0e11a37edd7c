"""Random numbers by key and counter."""

from __future__ import annotations

import numpy as np
import pytest

import koubai as kb
from koubai.ops.random import bits, dropout_mask, key_of, normal, permutation, philox, threshold_of, uniform

ONES = 0xFFFFFFFF


# Published with Random123: counter, key, result.
@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES,) * 4, (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers(counter, key, expected) -> None:  # type: ignore[no-untyped-def]
    assert tuple(int(word) for word in philox(counter, key)) == expected


def test_word_i_does_not_depend_on_how_many_are_drawn() -> None:
    key = key_of(5, "x")
    many = bits(key, 1000)
    assert many.dtype == np.uint32
    for n in (0, 1, 3, 4, 5, 999):
        np.testing.assert_array_equal(bits(key, n), many[:n])
    longer = bits(key, 4 * 16400)
    for block in (0, 7, 16383, 16384, 16399):
        words = philox((block, 0, 0, 0), key)
        np.testing.assert_array_equal(longer[4 * block : 4 * block + 4], [int(w) for w in words])


def test_the_stream_fills_the_upper_half_of_the_counter() -> None:
    key, stream = (1, 2), (3 << 32) + 9
    words = [int(w) for w in philox((0, 0, 9, 3), key)]
    np.testing.assert_array_equal(bits(key, 4, stream), words)
    assert not np.array_equal(bits(key, 4, 1), bits(key, 4, 0))


def test_keys_depend_on_seed_and_every_label() -> None:
    keys = {key_of(0), key_of(1), key_of(-1), key_of(0, "a"), key_of(0, "a", "b"), key_of(0, "ab"), key_of(0, 1)}
    assert len(keys) == 7
    assert key_of(0, "0.weight") == key_of(np.int64(0), "0.weight")
    assert key_of(0, "0.weight") == (0x3F77641E, 0x58326EDE), "keys are part of what a seed means: never change them"
    with pytest.raises(kb.DTypeError, match="seed: expected an integer, got float"):
        key_of(0.5)


@pytest.mark.parametrize(("dtype", "digits"), [(np.float32, 24), (np.float64, 53)])
def test_uniform_numbers_lie_on_their_grid(dtype, digits) -> None:  # type: ignore[no-untyped-def]
    u = uniform(key_of(3), (200, 250), dtype)
    assert u.shape == (200, 250)
    assert u.dtype == dtype
    grid = u.astype(np.float64) * 2.0**digits
    np.testing.assert_array_equal(grid, np.floor(grid))
    assert u.min() >= 0
    assert u.max() < 1
    # Mean, variance and every tenth's share, within five standard deviations.
    n = u.size
    assert abs(u.mean(dtype=float) - 0.5) < 5 * np.sqrt(1 / 12 / n)
    assert abs(u.var(dtype=float) - 1 / 12) < 5 * np.sqrt(1 / 180 / n)
    counts = np.bincount((u.ravel() * 10).astype(int), minlength=10)
    assert np.abs(counts - n / 10).max() < 5 * np.sqrt(n * 0.09)


def test_uniform_takes_the_upper_bits_of_its_words() -> None:
    key = key_of(3)
    a, b = (int(w) for w in bits(key, 2))
    assert float(uniform(key, (), np.float32)) == (a >> 8) / 2**24
    assert float(uniform(key)) == ((a >> 5) * 2**26 + (b >> 6)) / 2**53


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normal_numbers(dtype) -> None:  # type: ignore[no-untyped-def]
    z = normal(key_of(4), (100001,), dtype)
    assert z.dtype == dtype
    z = z.astype(float)
    n = z.size
    for power, moment, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs((z**power).mean() - moment) < 5 * np.sqrt(variance / n)
    assert abs((z[0:-1:2] * z[1::2]).mean()) < 5 / np.sqrt(n / 2), "the two of a pair are independent"
    np.testing.assert_array_equal(normal(key_of(4), (7,), dtype), z[:7].astype(dtype))


def test_permutations() -> None:
    order = permutation(key_of(0, "shuffle"), 1000)
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert not np.array_equal(order, permutation(key_of(0, "shuffle"), 1000, stream=1))
    assert permutation(key_of(0), 0).size == 0
    firsts = [int(permutation(key_of(seed), 4)[0]) for seed in range(400)]
    assert np.abs(np.bincount(firsts) - 100).max() < 45


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(kb.DTypeError, match="uniform: expected dtype float32 or float64, got int64"):
        uniform((0, 0), (2,), np.int64)


def test_a_mask_keeps_the_words_from_the_threshold_on() -> None:
    key, rate = key_of(1, "drop"), 0.3
    mask = dropout_mask(np.ones((4, 5), np.float32), 7, key=key, rate=rate)
    kept = bits(key, 20, 7) >= threshold_of(rate)
    np.testing.assert_array_equal(mask, np.where(kept, np.float32(1 / 0.7), 0).reshape(4, 5))
    assert mask.dtype == np.float32
    stacked = kb.vmap(lambda x: dropout_mask(x, 7, key=key, rate=rate))(np.ones((4, 5)))
    np.testing.assert_array_equal(stacked != 0, mask != 0)
    with pytest.raises(kb.UnsupportedError, match="same for all examples"):
        kb.vmap(lambda x, step: dropout_mask(x, step, key=key, rate=rate))(np.ones((4, 5)), np.arange(4))
