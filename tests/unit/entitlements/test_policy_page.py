"""The page about the language: what stands there is read by the service, and no construct is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from services.entitlements.policy import SHIPPED, Policy, parse_policy_text
from services.entitlements.policy_examples import try_policy
from services.entitlements.policy_facts import Examples
from services.entitlements.policy_schema import policy_schema

PAGE = (SHIPPED / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
HEAD = BLOCKS[0]
RULES = [block for block in BLOCKS if block.startswith("- rule:")]
WHOLE = next(block for block in BLOCKS if block.startswith("letters:"))
EXAMPLES = next(block for block in BLOCKS if block.startswith("incident:"))


def with_rules(rules: str) -> str:
    return f"name: page\nversion: 1\ntitle: Page\ntime_zone: Europe/Rome\nrules:\n{rules}"


def test_nothing_on_the_page_is_left_untried() -> None:
    assert {HEAD, *RULES, WHOLE, EXAMPLES} == set(BLOCKS)


@pytest.mark.parametrize("rules", RULES, ids=[block.split("\n")[0] for block in RULES])
def test_the_rules_of_the_page_are_read(rules: str) -> None:
    parse_policy_text(with_rules(rules))


def test_the_whole_of_the_page_is_read() -> None:
    policy = parse_policy_text(with_rules("".join(RULES)) + WHOLE)
    assert policy.budget
    assert policy.canary


def test_the_examples_of_the_page_hold_for_its_first_policy(tmp_path: Any) -> None:
    file = tmp_path / "our-promise@1.yaml"
    file.write_text(HEAD, encoding="utf-8")
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / file.name).write_text(EXAMPLES, encoding="utf-8")
    assert [one.problems for one in try_policy(file)] == [(), ()]


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for inner in get_args(annotation):
        yield from models(inner)


def keys(value: Any) -> Iterator[str]:
    """Every field that is written somewhere in a value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from keys(item)
    if isinstance(value, list):
        for item in value:
            yield from keys(item)


def test_every_field_of_the_language_stands_on_the_page() -> None:
    written = set(keys([yaml.safe_load(block) for block in (HEAD, *RULES, WHOLE)]))
    fields = {field.alias or name for model in set(models(Policy)) for name, field in model.model_fields.items()}
    assert fields - written == set()


def test_every_word_that_a_field_may_have_stands_on_the_page() -> None:
    assert {word for word in enums(policy_schema()) if word not in PAGE} == set()


def enums(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("enum", ())
        for item in schema.values():
            yield from enums(item)
    if isinstance(schema, list):
        for item in schema:
            yield from enums(item)


def test_an_example_on_the_page_has_every_part_that_an_example_may_have() -> None:
    written = set(keys(yaml.safe_load(EXAMPLES)))
    example = Examples.model_fields["examples"].annotation
    (model,) = {one for one in models(example) if one.__name__ == "Example"}
    assert set(model.model_fields) - written == set()
