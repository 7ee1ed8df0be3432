"""The `amends` command as a process, as a person or a script starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

AMENDS = Path(sys.executable).with_name("amends")
_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended. `said` is what it told a person on stderr, on one line."""

    exits: int
    out: str
    said: str

    @property
    def json(self) -> Any:
        """The one document on stdout; fails if there is more or less."""
        return json.loads(self.out)


def amends(*arguments: str | Path, root: Path | None = None, environment: Mapping[str, str] | None = None) -> Ran:
    """Run a command to its end."""
    command = [str(AMENDS), *map(str, arguments), *(["--root", str(root)] if root else [])]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        env={**os.environ, "COLUMNS": "400", **(environment or {})},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, done.stdout, " ".join(done.stderr.split()))


def left_over(root: Path) -> list[str]:
    """The command lines of all processes that have to do with this root, in their environment or arguments."""
    found = []
    for process in psutil.process_iter():
        try:
            about = [*process.cmdline(), *process.environ().values(), process.cwd()]
            if process.pid != os.getpid() and any(str(root) in word for word in about):
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
