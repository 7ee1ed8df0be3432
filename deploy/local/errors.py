"""What can go wrong with the local stack, in words for the person who typed the command."""

from __future__ import annotations

from pathlib import Path

TAIL_LINES = 15
TAIL_BYTES = 16_384


class StackError(Exception):
    """The stack cannot be started, found or ended; the message says why and what would help."""


def tail(log: Path) -> str:
    """The last lines of a log, indented, under the log's name."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        text = ""
    lines = text.splitlines()[-TAIL_LINES:] or ["(nothing was written to it)"]
    return "\n".join([f"The last lines of {log}:", *(f"    {line}" for line in lines)])
