"""The job for whoever doubts a story: judge it again from its own facts, with no database, broker or service.

`python -m services.entitlements explain-check FILE`, where the file is a story as /incidents/ID/customers/ID tells
it. Returns 0 when the story follows from its facts, 1 when it does not (each difference on stderr), 2 on wrong usage.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import orjson

from services.entitlements.story import flaws

USAGE = "explain-check FILE"


def check(arguments: Sequence[str]) -> int:
    """Judge a kept story again."""
    if len(arguments) != 1:
        sys.stderr.write(f"usage: python -m services.entitlements {USAGE}\n")
        return 2
    file = Path(arguments[0])
    try:
        told = orjson.loads(file.read_bytes())
        found = flaws(told)
    except OSError as error:
        sys.stderr.write(f"{file.name}: cannot be read ({error.strerror})\n")
        return 1
    except (ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"{file.name}: is no story as entitlements tells it ({error!r})\n")
        return 1
    if found:
        sys.stderr.writelines(f"{flaw}\n" for flaw in found)
        return 1
    sys.stdout.write(f"{len(told['runs'])} runs, each as its facts have it\n")
    return 0


JOBS: Mapping[str, Callable[[Sequence[str]], int]] = {"explain-check": check}
"""The job by its name: it takes its arguments and returns the exit code."""
