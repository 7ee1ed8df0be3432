"""What a command says when it cannot do what it was asked: a sentence for a person, and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

_SHOWN_CHARACTERS = 80
_REMEDIES = {
    "timezone_aware": "write an offset too, such as 2011-04-29T14:00:00+02:00",
    "datetime": "write an instant such as 2011-04-29T14:00:00+02:00",
    "string_pattern_mismatch": {
        "plan": "write the 64 characters of the hash that `amends watch` shows",
        "policy": "write name@version",
        "": "write it without spaces",
    },
}
"""What would be right, by the kind of what is wrong (and, where it matters, by the field)."""


class CommandError(Exception):
    """The command has not done it (exit code 1); the message says why and what would help."""


def problems(error: ValidationError) -> Iterator[tuple[str, str]]:
    """What is wrong with a value that a person wrote: (the field's path, what is wrong and what stands there)."""
    for problem in error.errors(include_url=False):
        path = ".".join(str(step) for step in problem["loc"])
        yield path, problem["msg"] + _value(problem["type"], problem["input"]) + _remedy(problem["type"], path)


def _value(kind: str, value: Any) -> str:
    """The value, where it is one that a person recognises."""
    if kind == "missing" or isinstance(value, dict | list):
        return ""
    shown = repr(value)
    return f", not {shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + '…'}"


def _remedy(kind: str, path: str) -> str:
    """What would be right."""
    known = next((remedy for name, remedy in _REMEDIES.items() if kind.startswith(name)), None)
    remedy = known.get(path, known[""]) if isinstance(known, dict) else known
    return f": {remedy}" if remedy else ""
