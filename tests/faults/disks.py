"""Small file systems for a component's data: full when they are told to be, with room again later.

A tmpfs whose limit is moved: to what it holds just now, and back. Needs the right to mount; `refusal` says why not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from deploy.local.layout import Layout

ROOMY = "6g"
_BLOCK = 4096
_SECONDS = 60.0


@cache
def refusal() -> str:
    """Why no small file system can be mounted here; nothing if one can."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            _mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
            _run("umount", folder)
        except (OSError, subprocess.CalledProcessError) as error:
            told = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
            return f"a small file system cannot be mounted here, so no disk is filled: {told}"
    return ""


def move(folder: Path) -> None:
    """Put the data of a component that does not run on a file system of its own; done already, it stays there."""
    if folder.is_mount():
        return
    owner, aside = folder.stat(), folder.with_name(f"{folder.name}.moving")
    folder.rename(aside)
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={ROOMY},mode=0700", "tmpfs", str(folder))
    os.chown(folder, owner.st_uid, owner.st_gid)
    for path in aside.iterdir():
        _run("cp", "-a", str(path), str(folder))
    shutil.rmtree(aside)


def fill(folder: Path, spare_octets: int = 0) -> None:
    """Leave no more room than this."""
    held = os.statvfs(folder)
    blocks = held.f_blocks - held.f_bfree + max(1, spare_octets // _BLOCK)
    _mount("-o", f"remount,size={blocks * _BLOCK}", str(folder))


def make_room(folder: Path) -> None:
    """Room again."""
    _mount("-o", f"remount,size={ROOMY}", str(folder))


def empty(folder: Path) -> None:
    """The data is gone, and the file system with it; nobody may have it open."""
    if folder.is_mount():
        _run("umount", str(folder))
    shutil.rmtree(folder)


def release(layout: Layout) -> None:
    """Take back every mount of a stack that is down."""
    for name in ("kafka", "postgres"):
        if layout.data(name).is_mount():
            _run("umount", str(layout.data(name)))


def _mount(*arguments: str) -> None:
    _run("mount", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS)
