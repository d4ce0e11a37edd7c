"""Bundled sets, IDX files, splitting, batches, standardizing."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
from koubai.data import Dataset, Standardizer, batches, load, names, permutation, read_idx, split

MNIST = Path(__file__).parents[2] / "shared" / "data" / "mnist"


def idx(array, kind=0x08):
    array = np.asarray(array)
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize(
    ("name", "shape", "counts"),
    [
        ("digits", (1797, 64), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
        ("iris", (150, 4), [50, 50, 50]),
        ("wine", (178, 13), [59, 71, 48]),
        ("breast_cancer", (569, 30), [357, 212]),
    ],
)
def test_bundled_sets(name, shape, counts):
    data = load(name)
    x, t = data
    assert x.shape == shape
    assert np.bincount(t).tolist() == counts
    assert len(data.class_names) == len(counts)
    assert len(data.feature_names) == shape[1]
    assert np.isfinite(x).all()
    readme = Path(kb.data.__file__).parent.joinpath("sets", "README.md").read_text(encoding="utf-8")
    assert data.description
    assert data.source in readme
    assert data.citation.rpartition(" ")[2] in readme
    assert data.licence.startswith("CC BY 4.0")


def test_digits_are_pictures():
    data = load("digits")
    assert data.x.min() == 0.0
    assert data.x.max() == 1.0
    assert data.image_shape == (8, 8)
    assert names() == ("digits", "iris", "wine", "breast_cancer")


def test_the_sets_are_those_that_others_ship():
    datasets = pytest.importorskip("sklearn.datasets")
    np.testing.assert_array_equal(load("digits").x * 16, datasets.load_digits().data)
    for name in ("iris", "wine", "breast_cancer"):
        np.testing.assert_array_equal(load(name).x, getattr(datasets, f"load_{name}")().data)


def test_an_unknown_set():
    with pytest.raises(kb.UsageError, match=r"did you mean 'digits'\? The names are digits, iris"):
        load("digit")


def test_a_dataset_must_hold_something():
    with pytest.raises(kb.DataError, match="3 examples but 2 targets"):
        Dataset(np.zeros((3, 2)), np.zeros(2))
    with pytest.raises(kb.DataError, match="empty"):
        Dataset(np.zeros((0, 2)), np.zeros(0))


KINDS = [(0x08, "u1"), (0x09, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")]


@pytest.mark.parametrize(("kind", "dtype"), KINDS)
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files(tmp_path, kind, dtype, zipped):
    array = np.arange(-6, 6).astype(dtype).reshape(2, 3, 2)
    content = idx(array, kind)
    path = tmp_path / "numbers"
    path.write_bytes(gzip.compress(content) if zipped else content)
    found = read_idx(path)
    np.testing.assert_array_equal(found, array)
    assert found.dtype.isnative


GOOD = idx(np.arange(12, dtype="u1").reshape(3, 4))
BAD_IDX = {
    "empty": (b"", "ends after 0 bytes"),
    "short header": (GOOD[:9], "cut short inside its header"),
    "wrong magic": (b"\x01" + GOOD[1:], "not an IDX file"),
    "unknown type": (GOOD[:2] + b"\x07" + GOOD[3:], "not an IDX file"),
    "text": (b"hello, world", "not an IDX file"),
    "cut short": (GOOD[:-1], "announces 3x4 numbers (12 bytes), but only 11 bytes follow"),
    "too long": (GOOD + b"\0", "longer than its header says"),
    "absurd": (bytes([0, 0, 8, 3]) + struct.pack(">3I", *(2**32 - 1,) * 3), "the limit is 4 GiB"),
    "lying": (bytes([0, 0, 8, 1]) + struct.pack(">I", 2**32 - 1), "but only 0 bytes follow"),
    "cut gzip": (gzip.compress(GOOD)[:-12], "cut short"),
    "damaged gzip": (gzip.compress(GOOD, mtime=0)[:10] + b"\xff" * 20, "gzip file"),
    "wrong sum": (gzip.compress(GOOD)[:-8] + b"12345678", "gzip file"),
}


@pytest.mark.parametrize("kind", BAD_IDX)
def test_damaged_idx_files(tmp_path, kind):
    content, says = BAD_IDX[kind]
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(kb.DataError) as caught:
        read_idx(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=40), place=st.integers(0, 30), byte=st.integers(0, 255))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data, place, byte):
    path = tmp_path_factory.getbasetemp() / "any.idx"
    flipped = bytearray(GOOD)
    flipped[place % len(flipped)] = byte
    for content in (data, b"\0\0\x08" + data, bytes(flipped), gzip.compress(GOOD)[: place + 4] + data):
        path.write_bytes(content)
        try:
            array = read_idx(path)
        except kb.DataError:
            continue
        assert array.nbytes <= len(content) * 2000


def folder(path, images=6, labels=6, part="train", size=(2, 2)):
    pictures = np.arange(images * size[0] * size[1], dtype="u1").reshape(images, *size)
    (path / f"{part}-images-idx3-ubyte").write_bytes(idx(pictures))
    (path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(labels, dtype="u1") % 3)))


def test_a_folder_of_idx_files(tmp_path):
    folder(tmp_path)
    train, test = read_idx(tmp_path)
    assert test is None
    assert train.image_shape == (2, 2)
    folder(tmp_path, images=3, labels=3, part="t10k")
    train, test = read_idx(tmp_path)
    assert train.x.dtype == np.float32
    assert train.x[1, 0] == np.float32(4 / 255)
    assert test.t.tolist() == [0, 1, 2]
    assert train.class_names == ("0", "1", "2")


def test_folders_that_do_not_fit(tmp_path):
    with pytest.raises(kb.DataError, match=r"expected IDX files named .* found nothing"):
        read_idx(tmp_path)
    folder(tmp_path, images=5)
    with pytest.raises(kb.DataError, match=r"5 images but .* 6 labels"):
        read_idx(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(kb.DataError, match="train-labels-idx1-ubyte is missing"):
        read_idx(tmp_path)
    folder(tmp_path)
    folder(tmp_path, part="t10k", size=(2, 3))
    with pytest.raises(kb.DataError, match="pictures of one size"):
        read_idx(tmp_path)
    with pytest.raises(kb.DataError, match="no such file"):
        read_idx(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (np.full((4, 2, 2), np.nan, ">f4"), [0, 1, 0, 1], r"picture 0 has nan at \(0, 0\)"),
        (np.full((4, 2, 2), 1e300, ">f8"), [0, 1, 0, 1], r"picture 0 has 1e\+300"),
        (np.zeros((4, 0, 2), "u1"), [0, 1, 0, 1], "pictures of 0x2 have no pixel"),
        (np.zeros((0, 2, 2), "u1"), [], "no picture in the file"),
        (np.zeros((4, 2, 2), "u1"), [0, 0, 0, 0], "every label is 0"),
        (np.zeros((4, 2, 2), "u1"), [0, 1, 2**31 - 1, 1], "label 2147483647 in row 2"),
        (np.zeros((4, 2, 2), "u1"), [0, -1, 0, 1], "label -1 in row 1"),
    ],
)
def test_folders_that_cannot_be_learnt_from(tmp_path, images, labels, says):
    code = {"u1": 8, "f4": 13, "f8": 14}[images.dtype.str[1:]]
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images, code))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.array(labels, ">i4"), 12))
    with pytest.raises(kb.DataError, match=says):
        read_idx(tmp_path)


@pytest.mark.skipif(not MNIST.is_dir(), reason="MNIST is not at ../shared/data/mnist")
def test_mnist():
    train, test = read_idx(MNIST)
    assert np.bincount(train.t).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert len(test) == 10000
    assert abs(float(train.x.mean(dtype=np.float64)) - 0.13066) < 1e-5


def test_split_keeps_the_classes_proportions():
    digits = load("digits")
    train, test = split(digits, fraction=0.2, seed=3)
    assert (len(train), len(test)) == (1438, 359)
    assert np.abs(np.bincount(test.t) - np.bincount(digits.t) * 0.2).max() < 1
    rows = np.concatenate([train.x, test.x])
    assert sorted(map(bytes, rows)) == sorted(map(bytes, digits.x))


def test_split_of_arrays_is_seeded():
    x, t = np.arange(20), np.arange(20) % 2
    (a, _), (b, tb) = split(x, t, fraction=0.3, seed=5, stratify=True)
    assert (len(a), len(b), tb.sum()) == (14, 6, 3)
    np.testing.assert_array_equal(b, split((x, t), fraction=0.3, seed=5, stratify=True)[1][0])
    assert b.tolist() != split(x, t, fraction=0.3, seed=6, stratify=True)[1][0].tolist()
    assert sorted([*a, *b]) == x.tolist()


@settings(max_examples=100, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 10**6),
)
def test_any_split_is_a_partition(labels, fraction, seed):
    rows, labels = np.arange(len(labels)), np.array(labels)
    parts = [split(rows, fraction=fraction, seed=seed)]
    counts = np.bincount(labels)
    if counts[counts > 0].min() >= 2:
        parts.append(split(rows, fraction=fraction, seed=seed, stratify=labels))
        second = np.bincount(labels[parts[-1][1][0]], minlength=len(counts))
        assert (second[counts > 0] >= 1).all()
        assert (second[counts > 0] < counts[counts > 0]).all()
    for (first,), (second,) in parts:
        assert sorted([*first, *second]) == rows.tolist()
        assert min(len(first), len(second)) >= 1


def test_split_refuses():
    x = np.arange(4)
    with pytest.raises(kb.UsageError, match="fraction"):
        split(x, fraction=1.0)
    with pytest.raises(kb.DataError, match="two examples"):
        split(x[:1])
    with pytest.raises(kb.ShapeError, match="one length"):
        split(x, x[:2])
    with pytest.raises(kb.DataError, match="class 1 has only one example"):
        split(x, np.array([0, 0, 0, 1]), stratify=True)
    with pytest.raises(kb.ShapeError, match="stratify"):
        split(x, stratify=np.zeros((4, 2)))
    with pytest.raises(kb.UsageError, match="nothing to split"):
        split()


def test_batches():
    x, t = np.arange(10) * 10, np.arange(10)
    plain = list(batches(x, t, 4, shuffle=False))
    assert [b.tolist() for _, b in plain] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [len(b) for b, _ in batches(x, t, 4, drop_last=True)] == [4, 4]
    shuffled = [b for _, b in batches(x, t, 3, seed=1)]
    again = [b for _, b in batches(x, t, 3, seed=1)]
    assert sorted(np.concatenate(shuffled)) == t.tolist()
    np.testing.assert_array_equal(np.concatenate(shuffled), np.concatenate(again))
    assert all((a == b * 10).all() for a, b in batches(x, t, 3, seed=2))


def test_batches_refuse():
    x = np.zeros((3, 2))
    with pytest.raises(kb.UsageError, match="batch_size"):
        batches(x, np.zeros(3), 0)
    with pytest.raises(kb.DataError, match="empty"):
        batches(x[:0], np.zeros(0), 2)
    with pytest.raises(kb.ShapeError, match="one length"):
        batches(x, np.zeros(2), 2)


def test_permutations_differ_by_every_part_of_the_key():
    seen = {tuple(permutation(20, *key)) for key in [(0,), (1,), (0, 1), (1, 0), (0, 2)]}
    assert len(seen) == 5


def test_standardizer():
    x = np.array([[1.0, 5.0, 1e8], [2.0, 5.0, 1e8 + 1], [6.0, 5.0, 1e8 + 2]])
    s = Standardizer.fit(x)
    np.testing.assert_allclose(s(x).mean(axis=0), 0, atol=1e-8)
    np.testing.assert_allclose(s(x).std(axis=0), [1, 0, 1], rtol=1e-7)
    np.testing.assert_allclose(s.inverse(s(x)), x)
    with pytest.raises(kb.ShapeError, match="expected rows"):
        s(x[:, :2])
    x[1, 2] = np.nan
    with pytest.raises(kb.DataError, match="row 1, column 2"):
        Standardizer.fit(x)
    with pytest.raises(kb.DataError, match="empty"):
        Standardizer.fit(x[:0])
