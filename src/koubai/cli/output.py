"""The folder of results: everything is written beside it first, so that nothing half-written is left."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from koubai.errors import DataError

__all__ = ["results"]


@contextmanager
def results(folder: Path) -> Iterator[Path]:
    """A new folder to write into, whose files stand in `folder` once the block ends without an error.

    It is made at the beginning, so that a place where nothing can be written is found out before training. Files
    of the same names are replaced, each in one step; others stay.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: a file of this name exists; choose another folder with --out")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.parent / f".{folder.name}.{secrets.token_hex(6)}.part"
    part.mkdir()
    try:
        yield part
        if folder.exists():
            for path in sorted(part.iterdir()):
                os.replace(path, folder / path.name)
        else:
            os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
