"""The folder of results: everything is written beside it first, so that nothing half-written is left."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from koubai.errors import DataError

__all__ = ["refuse_unwritable", "results"]


def refuse_unwritable(folder: Path) -> None:
    """Find out before training whether results can be written there; leaves everything as it was.

    Raises
    ------
    DataError
        If not, with the reason.
    """
    with _told(folder):
        made = _make(folder.parent)
        try:
            _part(folder).rmdir()
            if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        finally:
            _unmake(made)


@contextmanager
def results(folder: Path) -> Iterator[Path]:
    """A new folder to write into, whose files stand in `folder` once the block ends without an error.

    Files of the same names are replaced, each in one step; others stay.
    """
    with _told(folder):
        made = _make(folder.parent)
        part = None
        try:
            part = _part(folder)
            yield part
            if folder.exists():
                for path in sorted(part.iterdir()):
                    os.replace(path, folder / path.name)
            else:
                os.replace(part, folder)
        finally:
            if part is not None:
                shutil.rmtree(part, ignore_errors=True)
            _unmake(made)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Errors of writing, with the folder's name and what to do."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: a file of this name exists; choose another folder with --out")
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{folder}: the results cannot be written there ({error.strerror or error}); choose another folder with "
            f"--out"
        ) from None


def _part(folder: Path) -> Path:
    part = folder.parent / f".{folder.name}.{secrets.token_hex(6)}.part"
    part.mkdir()
    return part


def _make(folder: Path) -> list[Path]:
    """Make the folder and those above it; those that were made, the innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _unmake(folders: list[Path]) -> None:
    """Remove the folders of `_make` that are empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
