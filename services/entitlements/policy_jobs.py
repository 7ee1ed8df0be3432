"""The jobs for whoever writes a policy: check it, try its examples, make the schema for editors.

`python -m services.entitlements policy-check FILE... | policy-test [FOLDER|FILE] | policy-schema`. They need no
database, no broker and no environment. They speak to people: what is right goes to stdout, what is wrong to stderr, a
line each. A job returns 0, 1 when something is wrong, 2 when it was not called as it should be.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from services.entitlements.policy import SHIPPED, read_policy
from services.entitlements.policy_errors import PolicyError
from services.entitlements.policy_examples import try_policy
from services.entitlements.policy_facts import examples_beside
from services.entitlements.policy_schema import render

USAGE = "policy-check FILE... | policy-test [FOLDER|FILE] | policy-schema"


def check(arguments: Sequence[str]) -> int:
    """Read each file as the service would, and say of each that is right what it is."""
    if not arguments:
        return _misused("policy-check FILE...")
    wrong = 0
    for file in arguments:
        try:
            policy = read_policy(file)
        except PolicyError as error:
            wrong += 1
            _complain(error.problems)
        else:
            rules = f"{len(policy.rules)} rule{'' if len(policy.rules) == 1 else 's'}"
            _tell(f"{policy.key}: {policy.title} ({rules}, digest {policy.digest})")
    return 1 if wrong else 0


def test(arguments: Sequence[str]) -> int:
    """Try the examples beside a policy, or beside every policy of a folder (the shipped one unless told).

    A policy without examples is wrong, and so are examples without a policy.
    """
    if len(arguments) > 1:
        return _misused("policy-test [FOLDER|FILE]")
    try:
        files = _policies(Path(arguments[0]) if arguments else SHIPPED)
    except PolicyError as error:
        _complain(error.problems)
        return 1
    wrong = 0
    for file in files:
        try:
            tried = try_policy(file)
        except PolicyError as error:
            wrong += 1
            _complain(error.problems)
            continue
        for one in tried:
            wrong += bool(one.problems)
            _tell(f"{one.policy}: {one.example}: {'does not hold' if one.problems else 'holds'}")
            _complain(f"{one.policy}: {one.example}: {problem}" for problem in one.problems)
    return 1 if wrong else 0


def schema(arguments: Sequence[str]) -> int:
    """The JSON Schema of a policy file, for editors."""
    if arguments:
        return _misused("policy-schema")
    sys.stdout.write(render())
    return 0


JOBS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "policy-check": check,
    "policy-test": test,
    "policy-schema": schema,
}
"""The jobs by name: each takes its arguments and returns the exit code."""


def _policies(path: Path) -> list[Path]:
    """The files of the policies there. Raises PolicyError when there is none, or when examples have no policy."""
    if not path.is_dir():
        return [path]
    policies = sorted(path.glob("*.yaml"))
    if not policies:
        raise PolicyError([f"{path}: holds no policy: write one as <name>@<version>.yaml"])
    wanted = {examples_beside(policy) for policy in policies}
    if lost := sorted(set((path / "examples").glob("*.yaml")) - wanted):
        raise PolicyError([f"examples/{one.name}: there is no policy {one.stem} beside them" for one in lost])
    return policies


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _complain(problems: Iterable[str]) -> None:
    sys.stderr.writelines(f"{problem}\n" for problem in problems)


def _misused(usage: str) -> int:
    sys.stderr.write(f"usage: python -m services.entitlements {usage}\n")
    return 2
