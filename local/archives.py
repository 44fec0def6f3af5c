"""Packages of functions and layers, unpacked once for all of the emulator's processes."""

import hashlib
import shutil
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

STORE = "unpacked"  # a folder of the temporary one


class SharedZip(zipfile.ZipFile):
    """An archive that is unpacked once; each further place has links to what it holds.

    So a process of a function takes no disk of its own, and starts with the byte code of those
    before it.
    """

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        """Link what the archive holds into `path`, and remove the archive."""
        assert isinstance(self.filename, str)  # noqa: S101 - the emulator opens files by name
        archive = Path(self.filename)
        kept = (
            Path(tempfile.gettempdir()) / STORE / hashlib.sha256(archive.read_bytes()).hexdigest()
        )
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            fresh = tempfile.mkdtemp(dir=kept.parent)
            super().extractall(fresh, members, pwd)
            _move(Path(fresh), kept)
        for entry in kept.iterdir():
            (Path(path) / entry.name).symlink_to(entry)
        archive.unlink()


def _move(fresh: Path, kept: Path) -> None:
    try:
        fresh.rename(kept)
    except OSError:  # another thread was first
        shutil.rmtree(fresh)


def share_archives(runtime: dict[str, Any]) -> None:
    """Let the emulator's module that starts functions unpack each archive once."""
    runtime["zipfile"] = SimpleNamespace(
        ZipFile=SharedZip,
        BadZipFile=zipfile.BadZipFile,
        LargeFileError=zipfile.LargeZipFile,  # the emulator's name for it, which does not exist
    )
