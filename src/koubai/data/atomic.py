"""Writing a file so that its name holds the old content or the new one, and never a part."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

__all__ = ["write_atomically"]


def write_atomically(path: Any, content: bytes | str) -> None:
    """Write to a neighbouring file, make sure that it reached the disk, and give it the name.

    Whatever interrupts (an error, Ctrl-C, a full disk), `path` is as it was before, and the neighbour is
    removed; only a killed process can leave the neighbour, a hidden file ending in ``.part``.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    neighbour = path.parent / f".{path.name}.{secrets.token_hex(6)}.part"
    try:
        _write(neighbour, data)
        os.replace(neighbour, path)
    except OSError as error:
        neighbour.unlink(missing_ok=True)
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None  # with the name that the user knows
    except BaseException:
        neighbour.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _write(path: Path, data: bytes) -> None:
    # Not tempfile: the result should have the permissions that the user's umask gives new files.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with open(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """The new name must reach the disk too; where folders cannot be opened (Windows) there is no need."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
