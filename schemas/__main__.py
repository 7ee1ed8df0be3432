"""`python -m schemas generate` writes the JSON Schemas from the models, `check` says which file differs.

Exit code 0 when all is well, 1 when `check` finds a difference, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import sys

from schemas.json_schemas import differences, generate


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m schemas", description="JSON Schemas of the events.")
    parser.add_argument("command", choices=["generate", "check"])
    command = parser.parse_args(arguments).command
    if command == "generate":
        for name in generate():
            sys.stdout.write(f"wrote schemas/json/{name}\n")
        return 0
    stale = differences()
    for name in stale:
        sys.stderr.write(f"schemas/json/{name} differs from its model: run python -m schemas generate\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
