"""What a command says when it cannot do what it was asked: one sentence for a person, and an exit code."""

from __future__ import annotations


class CommandError(Exception):
    """The command has not done it (exit code 1); the message says why and what would help."""
