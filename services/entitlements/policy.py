"""Policies: what is promised, as YAML files that are validated whole when they are loaded.

A policy that could be read in two ways is not read at all: a wrong field, a float for money or a bad zone is a
`PolicyError` that names the file, the path in it and what would be right. Leaves to `policy_rules` and `policy_limits`
what a policy is made of, to `policy_errors` the wording of what is wrong, and to `decide` who gets what.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from schemas.events import Language, LetterKind
from schemas.values import Text
from schemas.yaml_files import nearest
from services.entitlements.policy_conditions import FeeRange, Span, Tenure, When
from services.entitlements.policy_errors import PolicyError, read_yaml, said_plainly
from services.entitlements.policy_fields import Duration, Part, Slug, TimeZone, Title
from services.entitlements.policy_limits import Budget, Canary
from services.entitlements.policy_remedies import (
    Addon,
    Amount,
    Band,
    Credit,
    Extension,
    IfOwned,
    IfRefused,
    Remedy,
    Scale,
    Voucher,
)
from services.entitlements.policy_rules import Rule

__all__ = [
    "SHIPPED", "Addon", "Amount", "Band", "Budget", "Canary", "Credit", "Extension", "FeeRange", "IfOwned", "IfRefused",
    "Policies", "Policy", "Remedy", "Rule", "Scale", "Span", "Tenure", "Voucher", "When", "load_policies",
    "parse_policy", "parse_policy_text", "policy_from_body", "policy_text", "read_policy",
]  # fmt: skip

SHIPPED = Path(__file__).parent / "policies"
"""The folder of the policies that come with the service."""

LARGEST_FILE_BYTES = 256 * 1024


class Policy(Part):
    """A policy, whole. `key` is what an incident names it by."""

    name: Slug
    version: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    title: Title
    time_zone: TimeZone
    """Where dates meet instants for contracts without a zone of their own."""
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=100)]
    letters: Annotated[tuple[Literal["announcement", "details"], ...], Field(min_length=1)] = ("details",)
    """The announcement goes out at once, the details when billing is done; a correction whenever there is one."""
    texts: dict[Language, dict[LetterKind, Text]] = Field(default_factory=dict, max_length=50)
    """The paragraph that a letter of a kind opens with, by language."""
    budget: Annotated[tuple[Budget, ...], Field(min_length=1, max_length=50)] = ()
    canary: Canary | None = None
    when_narrowed: Literal["honour", "reverse"] = "honour"
    """What becomes of what was granted when the incident shrinks or is taken back."""
    approval_valid_for: Duration = timedelta(days=1)

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the policy says, in hex: comments, spacing and spelled-out defaults do not count."""
        return sha256(json.dumps(self.body(), sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def body(self) -> dict[str, Any]:
        """The policy as JSON, written as in a file; `policy_from_body` makes the same policy of it.

        What is as it is by default is left out, so that a field that the language gets later does not change what
        an older policy says.
        """
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @model_validator(mode="after")
    def _rules_know_each_other(self) -> Policy:
        problems: list[str] = []
        names: list[str] = []
        for index, rule in enumerate(self.rules):
            if rule.rule in names:
                problems.append(f"rules[{index}].rule: {rule.rule!r} is taken: write a name that no other rule has")
            for at, other in enumerate(rule.unless):
                if other not in names:
                    known = f"write one of {', '.join(names)}" if names else "leave it out, this is the first rule"
                    problems.append(
                        f"rules[{index}].unless[{at}]: no rule before this one is called {other!r}: {known}"
                    )
            names.append(rule.rule)
        return _fine(self, problems)

    @model_validator(mode="after")
    def _money_has_a_ceiling(self) -> Policy:
        problems: list[str] = []
        named: list[str] = []
        for index, budget in enumerate(self.budget):
            if budget.currency in named:
                problems.append(f"budget[{index}].currency: {budget.currency} has a ceiling already: write it once")
            named.append(budget.currency)
        for index, rule in enumerate(self.rules if self.budget else ()):
            given = [*rule.remedies, *(refused.give for refused in rule.if_refused)]
            for currency in sorted({c for remedy in given if remedy.money for c in remedy.money.currencies}):
                if currency not in named:
                    problems.append(
                        f"rules[{index}]: gives {currency}, and the budget has no ceiling for it: "
                        f'add {{currency: {currency}, ceiling: "…"}} to budget'
                    )
        return _fine(self, problems)

    @model_validator(mode="after")
    def _texts_are_for_letters_that_are_written(self) -> Policy:
        written = {*self.letters, "correction"}
        problems = [
            f"texts.{language}.{kind}: no such letter is written: add {kind} to letters, or leave the text out"
            for language, texts in self.texts.items()
            for kind in texts
            if kind not in written
        ]
        if len(set(self.letters)) < len(self.letters):
            problems.append("letters: names one twice: write each once")
        return _fine(self, problems)


def _fine(policy: Policy, problems: list[str]) -> Policy:
    if problems:
        raise ValueError("\n".join(problems))
    return policy


class Policies(Mapping[str, Policy]):
    """The policies of a folder by `name@version`; asking for another is a `PolicyError` that lists the known ones."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._policies = dict(policies)

    def __getitem__(self, key: str) -> Policy:
        return self._policies[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)

    def named(self, key: str) -> Policy:
        """The policy of that name. Raises PolicyError, with the names that are known, when there is none."""
        policy = self._policies.get(key)
        if policy is None:
            close = nearest(key, self._policies, "")
            hint = f" did you mean {close}?" if close else ""
            known = ", ".join(sorted(self._policies)) or "none"
            raise PolicyError([f"there is no policy {key}:{hint} The known policies are: {known}"])
        return policy


def parse_policy(text: str, file: str | Path) -> Policy:
    """The policy that a YAML text holds; `file` is its name, for the errors and because it must say the same.

    Raises PolicyError with every problem of the file, each naming the file and the path.
    """
    policy = parse_policy_text(text, name := Path(file).name)
    if name != f"{policy.key}.yaml":
        raise PolicyError([f"{name}: name, version: the policy is {policy.key}: call the file {policy.key}.yaml"])
    return policy


def parse_policy_text(text: str, name: str = "policy") -> Policy:
    """The policy that a YAML text holds, wherever it comes from; raises as `parse_policy` does, calling it `name`."""
    _bounded(name, len(text))
    return _made(read_yaml(text, name), name)


def policy_from_body(body: Mapping[str, Any]) -> Policy:
    """The policy that was published with this body (`Policy.body`); raises PolicyError when it cannot be read."""
    return _made(dict(body), f"{body.get('name')}@{body.get('version')} as it was published")


def _made(data: Any, name: str) -> Policy:
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        raise PolicyError([f"{name}: {line}" for line in said_plainly(error, Policy)]) from None


def load_policies(folder: str | Path = SHIPPED) -> Policies:
    """Every policy of a folder, by `name@version`.

    Raises PolicyError with the problems of every file, so that one look mends them all.
    """
    try:
        files = sorted(path for path in Path(folder).iterdir() if path.suffix in (".yaml", ".yml"))
    except OSError as error:
        raise PolicyError([f"{folder}: cannot be read ({error.strerror}): name a folder of policies"]) from None
    if not files:
        raise PolicyError([f"{folder}: holds no policy: write one as <name>@<version>.yaml"])
    policies: dict[str, Policy] = {}
    problems: list[str] = []
    for path in files:
        try:
            policy = read_policy(path)
        except PolicyError as error:
            problems.extend(error.problems)
        else:
            policies[policy.key] = policy
    if problems:
        raise PolicyError(problems)
    return Policies(policies)


def read_policy(path: str | Path) -> Policy:
    """The policy of a file; raises PolicyError as `parse_policy` does, and for a file that cannot be read."""
    return parse_policy(policy_text(path), path)


def policy_text(path: str | Path) -> str:
    """The text of a file, which must be UTF-8 and no larger than a policy can be; raises PolicyError."""
    path = Path(path)
    try:
        content = path.read_bytes()
        _bounded(path.name, len(content))
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyError([f"{path.name}: byte {error.start} is not UTF-8: save the file as UTF-8"]) from None
    except OSError as error:
        raise PolicyError([f"{path.name}: cannot be read ({error.strerror})"]) from None


def _bounded(name: str, size: int) -> None:
    if size > LARGEST_FILE_BYTES:
        raise PolicyError([f"{name}: is {size} bytes: write {LARGEST_FILE_BYTES} at most"])
