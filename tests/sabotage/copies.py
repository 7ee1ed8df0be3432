"""A copy of the project to do harm to: its sources, and an environment in which nothing but the copy is installed.

The installed packages and Kafka's jars are linked, not copied. The project itself stands in `.venv` as a pointer to
where it was installed from; the copy's environment points to the copy, so that whatever a test starts, from whichever
folder and with whatever environment, imports what was copied.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from tests.sabotage.bug import Bug

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("services", "schemas", "deploy", "tests")
_SECONDS = 120
_IMPORTED = "import {packages}; print(*[module.__path__[0] for module in ({packages},)], sep='\\n')"


class NoCopyError(Exception):
    """The copy is not what the tests would import: nothing that they say could be believed."""


class Copy:
    """One copy of the working tree, as it is, committed or not."""

    def __init__(self, folder: Path) -> None:
        """Copy it. Raises NoCopyError unless the copy is what is imported in it."""
        self.folder = folder.resolve()
        _copy_sources(self.folder)
        (self.folder / ".cache").symlink_to(PROJECT / ".cache")
        self.python = _environment(self.folder / ".venv", self.folder)
        self._written = count(int(os.path.getmtime(self.folder / "pyproject.toml")) + 1)
        self._check()

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of what runs in the copy."""
        return {**os.environ, "PYTHONPATH": str(self.folder), "VIRTUAL_ENV": str(self.folder / ".venv")}

    def put_in(self, bug: Bug) -> str:
        """Put a bug in; returns the text as it was."""
        before = (self.folder / bug.file).read_text()
        self.write(bug.file, bug.put_in(before))
        return before

    def write(self, file: str, text: str) -> None:
        """Write a file, each time with a later second: code compiled from an earlier text is never taken for this."""
        path, second = self.folder / file, next(self._written)
        path.write_text(text)
        os.utime(path, (second, second))

    def why_not_importable(self, module: str) -> str | None:
        """Why a module cannot be imported as it is now, if so."""
        done = self._run("-W", "error", "-c", f"import {module}")
        return None if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2]

    def _run(self, *arguments: str, cwd: Path | None = None, bare: bool = False) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python), *arguments], cwd=cwd or self.folder, env={} if bare else dict(self.variables),
            capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip

    def _check(self) -> None:
        """What is imported here, and what a process would import that got neither our folder nor our variables."""
        wanted = [str(self.folder / name) for name in PACKAGES]
        for options in ({}, {"cwd": Path("/"), "bare": True}):
            done = self._run("-c", _IMPORTED.format(packages=", ".join(PACKAGES)), **options)  # type: ignore[arg-type]
            if done.stdout.split() != wanted:
                raise NoCopyError(f"the copy imports {done.stdout.split() or done.stderr}, and not {wanted}")


def _copy_sources(folder: Path) -> None:
    """Whatever is committed, or new and not ignored, as it stands in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, stdout=subprocess.PIPE, timeout=_SECONDS, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.decode().split("\0")):
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)


def _environment(folder: Path, project: Path) -> Path:
    """A virtual environment with the packages of the one that runs us, and `project` in place of ours."""
    installed = Path(sysconfig.get_path("purelib"))
    packages = folder / installed.relative_to(sys.prefix)
    packages.mkdir(parents=True)
    for one in installed.iterdir():
        if not one.name.startswith("__editable__"):
            (packages / one.name).symlink_to(one)
    (packages / "the_copy.pth").write_text(f"{project}\n")
    shutil.copy2(Path(sys.prefix) / "pyvenv.cfg", folder / "pyvenv.cfg")
    programs = folder / "bin"
    programs.mkdir()
    python = programs / "python"
    python.symlink_to(Path(sys.executable).resolve())
    command = programs / "amends"
    command.write_text(f"#!{python}\nimport sys\nfrom services.cli.main import main\nsys.exit(main())\n")
    command.chmod(0o755)
    return python
