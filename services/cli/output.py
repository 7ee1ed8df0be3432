"""Where a command's words go: data to stdout, as text for people or JSON for programs; everything else to stderr."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

people = Console(stderr=True, highlight=False)
"""For progress and for remarks."""
data = Console(highlight=False, soft_wrap=True)
"""For results, as text."""


class Format(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


Output = Annotated[Format, typer.Option("--output", "-o", help="How to print the result.")]


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
