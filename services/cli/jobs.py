"""Jobs of a service that the command line runs as processes of their own: it never imports a service."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from services.cli.errors import CommandError

_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Done:
    """How a job ended: whether it found all well, what it told on stdout, what was wrong on stderr."""

    well: bool
    out: str
    said: tuple[str, ...]


def job(service: str, *arguments: str) -> Done:
    """Run a job that needs no stack; raises `CommandError` when it takes too long or cannot do its work at all."""
    command = [sys.executable, "-m", f"services.{service}", *arguments]
    environment = {**os.environ, "AMENDS_LOG_LEVEL": "error"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise CommandError(f"{' '.join(arguments[:1])} took longer than {_SECONDS:g} s, and was ended") from None
    if done.returncode not in (0, 1):
        raise CommandError(f"{service} cannot do {arguments[0]} ({done.returncode}): {done.stderr.strip()[-2000:]}")
    return Done(done.returncode == 0, done.stdout, tuple(done.stderr.splitlines()))
