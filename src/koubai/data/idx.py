"""IDX files, the format of MNIST: a big-endian header with type and lengths, then the numbers."""

from __future__ import annotations

import gzip
import zlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from koubai.data.dataset import Dataset
from koubai.errors import DataError

__all__ = ["read_idx"]

# The third byte of the file names the numbers' type.
TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
LARGEST = 4 * 2**30
PIECE = 2**22
LARGEST_LABEL = 65535


def read_idx(path: Any) -> Any:
    """Read an IDX file, gzipped or not, or a folder of them with MNIST's names.

    Parameters
    ----------
    path : str or Path
        A file; or a folder with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and, if there is a
        test part, the same with ``t10k`` (or ``test``) in front. Each name may end in ``.gz``.

    Returns
    -------
    ndarray, or (Dataset, Dataset or None)
        A file gives its array, in the machine's byte order. A folder gives the training part and the test
        part: pixels as float32 between 0 and 1, one picture a row, labels as int64.

    Raises
    ------
    DataError
        If a file is missing, is not IDX, is cut short, too long or damaged, announces more than 4 GiB, or
        if images and labels do not fit together.

    References
    ----------
    Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; check the path")
    return _read_file(path)


def _read_file(path: Path) -> np.ndarray[Any, Any]:
    try:
        with _opened(path) as file:
            shape, dtype = _header(file, path)
            return _numbers(file, path, shape, dtype)
    except EOFError:
        raise DataError(f"{path}: the gzip file is cut short; copy or download it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: not a readable gzip file ({error}); copy or download it again") from None


def _opened(path: Path) -> AbstractContextManager[BinaryIO]:
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return cast("AbstractContextManager[BinaryIO]", gzip.open(path, "rb") if zipped else open(path, "rb"))


def _header(file: BinaryIO, path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    magic = file.read(4)
    if len(magic) < 4:
        raise DataError(f"{path}: the file ends after {len(magic)} bytes, before its header; copy it again")
    if magic[:2] != b"\0\0" or magic[2] not in TYPES or not 1 <= magic[3] <= 8:
        raise DataError(
            f"{path}: not an IDX file: it begins with the bytes {magic.hex(' ')}, expected 00 00, a type "
            f"(08, 09, 0b, 0c, 0d or 0e) and the number of axes (01 to 08)"
        )
    ndim = magic[3]
    lengths = file.read(4 * ndim)
    if len(lengths) < 4 * ndim:
        raise DataError(f"{path}: the file is cut short inside its header; copy or download it again")
    shape = tuple(int(n) for n in np.frombuffer(lengths, ">u4"))
    return shape, np.dtype(TYPES[magic[2]])


def _numbers(file: BinaryIO, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    expected = dtype.itemsize
    for n in shape:
        expected *= n
    dims = "x".join(map(str, shape))
    if expected > LARGEST:
        raise DataError(
            f"{path}: the header announces {dims} numbers, {expected / 2**30:.1f} GiB; the limit is "
            f"{LARGEST // 2**30} GiB, so the header is damaged or the file must be divided"
        )
    # Piece by piece, so that a header that lies takes no more memory than the file has content.
    content = bytearray()
    while len(content) < expected:
        piece = file.read(min(PIECE, expected - len(content)))
        if not piece:
            raise DataError(
                f"{path}: the file is cut short: its header announces {dims} numbers ({expected} bytes), "
                f"but only {len(content)} bytes follow; copy or download it again"
            )
        content += piece
    if file.read(1):
        raise DataError(
            f"{path}: the file is longer than its header says, {dims} numbers ({expected} bytes); "
            f"copy or download it again"
        )
    array = np.frombuffer(content, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_folder(folder: Path) -> tuple[Dataset, Dataset | None]:
    train = _part(folder, ("train",))
    if train is None:
        raise DataError(
            f"{folder}: expected IDX files named train-images-idx3-ubyte and train-labels-idx1-ubyte (with "
            f".gz or without) in this folder, found {_listing(folder)}"
        )
    test = _part(folder, ("t10k", "test"))
    if test is not None and train.x.shape[1:] != test.x.shape[1:]:
        raise DataError(
            f"{folder}: training images have {train.x.shape[1]} pixels, test images {test.x.shape[1]}; "
            f"both parts must have pictures of one size"
        )
    classes = int(max(p.t.max() for p in (train, test) if p is not None)) + 1
    if classes == 1:
        raise DataError(f"{folder}: every label is 0; at least two classes are needed")
    names = tuple(map(str, range(classes)))
    parts = [None if p is None else Dataset(**{**vars(p), "class_names": names}) for p in (train, test)]
    return cast("tuple[Dataset, Dataset | None]", tuple(parts))


def _part(folder: Path, prefixes: tuple[str, ...]) -> Dataset | None:
    """Images and labels of one part; None where both are missing."""
    images = _find(folder, prefixes, "images", 3)
    labels = _find(folder, prefixes, "labels", 1)
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        missing = f"{prefixes[0]}-{'images-idx3' if images is None else 'labels-idx1'}-ubyte"
        there = (images or labels or folder).name
        raise DataError(f"{folder}: {missing} is missing (with .gz or without); put it beside {there}")
    x, t = _read_file(images), _read_file(labels)
    if x.ndim < 2 or t.ndim != 1:
        raise DataError(
            f"{folder}: images need at least 2 axes and labels 1, got {x.ndim} in {images.name} "
            f"and {t.ndim} in {labels.name}"
        )
    if len(x) != len(t):
        raise DataError(
            f"{folder}: {images.name} holds {len(x)} images but {labels.name} holds {len(t)} labels; "
            f"take both from one source"
        )
    _refuse_labels(labels, t)
    pixels = int(np.prod(x.shape[1:]))
    if pixels == 0:
        raise DataError(f"{images}: pictures of {'x'.join(map(str, x.shape[1:]))} have no pixel; take another file")
    with np.errstate(over="ignore"):
        rows = x.reshape(len(x), pixels).astype(np.float32)
    if not np.isfinite(rows).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(rows.reshape(x.shape)))[0])
        raise DataError(
            f"{images}: picture {place[0]} has {x[place]} at {place[1:]}, which is no finite float32; correct the file"
        )
    if x.dtype == np.uint8:
        rows /= np.float32(255.0)
    if len(x) == 0:
        raise DataError(f"{images}: no picture in the file; give at least one")
    return Dataset(rows, t.astype(np.int64), name=folder.name, target_name="label", image_shape=x.shape[1:])


def _refuse_labels(path: Path, t: np.ndarray[Any, Any]) -> None:
    if t.dtype.kind not in "iu":
        raise DataError(f"{path}: labels must be whole numbers from 0, got dtype {t.dtype}")
    wrong = (t < 0) | (t > LARGEST_LABEL)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{path}: label {t[row]} in row {row} is outside 0 to {LARGEST_LABEL}; number the classes from 0"
        )


def _find(folder: Path, prefixes: tuple[str, ...], kind: str, ndim: int) -> Path | None:
    for prefix in prefixes:
        for separator in ("-", "."):
            for suffix in ("", ".gz"):
                path = folder / f"{prefix}-{kind}{separator}idx{ndim}-ubyte{suffix}"
                if path.is_file():
                    return path
    return None


def _listing(folder: Path) -> str:
    names = sorted(p.name for p in folder.iterdir())
    if not names:
        return "nothing"
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
