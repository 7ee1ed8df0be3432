"""What is shown of a preview and of a comparison of two policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from services.cli.diff import named, one
from services.cli.errors import CommandError
from services.cli.preview import budget, rules, withdrawal

RULE = {
    "rule": "voucher", "kind": "voucher", "customers": 1200, "contracts": 0, "remedies": 1200, "days": 0,
    "money": {"EUR": "6000.00"},
}  # fmt: skip
PREVIEW: dict[str, Any] = {
    "customers": {"considered": 2000, "entitled": 1200, "excluded": 800},
    "rules": [RULE],
    "days": 0,
    "money": {"EUR": "6000.00"},
    "spent": {"EUR": "10.00"},
}


def test_each_rule_and_the_whole_are_shown() -> None:
    console = Console(width=120)
    with console.capture() as shown:
        console.print(rules(PREVIEW))
    for word in ("voucher", "1,200", "6000.00 EUR", "all"):
        assert word in shown.get()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"days": 30}, "extra-days: 2 entries are no longer owed: 2 taken back (30 days), 0 honoured"),
        ({"money": {"EUR": "5.00"}, "honoured": 1}, "1 taken back (5.00 EUR), 1 honoured"),
        ({"honoured": 2}, "0 taken back, 2 honoured"),
    ],
)
def test_what_a_run_would_withdraw_is_told(changed: dict[str, Any], words: str) -> None:
    told = withdrawal({"rule": "extra-days", "entries": 2, "days": 0, "money": {}, "honoured": 0} | changed)
    assert told.endswith(words)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"needs_approval": False, "past_ceiling": False}, []),
        ({"needs_approval": True, "past_ceiling": False}, ["it needs approval: 20.00 EUR does not"]),
        (
            {"needs_approval": True, "past_ceiling": True},
            ["it needs approval: 20.00 EUR does not", "it would halt at the ceiling"],
        ),
    ],
)
def test_the_budget_says_whether_it_would_go_by_itself(limit: dict[str, Any], words: list[str]) -> None:
    amounts = {"ceiling": {"EUR": "100.00"}, "without_approval": {"EUR": "20.00"}}
    first, *rest = budget(PREVIEW | {"budget": amounts | limit})
    assert first == "10.00 EUR granted before; the ceiling is 100.00 EUR"
    assert rest == words


def test_a_policy_without_a_budget_says_nothing_of_one() -> None:
    assert budget(PREVIEW | {"budget": {"ceiling": {}, "without_approval": {}}}) == []
    assert budget(PREVIEW) == []


# ── policy diff ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_policy_is_named_by_its_key_or_by_a_file(tmp_path: Path) -> None:
    file = tmp_path / "draft@2.yaml"
    file.write_text("name: draft\n")
    assert named("aruba-2011-04-29@1") == "aruba-2011-04-29@1"
    assert named(str(file)) == {"text": "name: draft\n"}


@pytest.mark.parametrize("what", ["aruba", "no/such/file.yaml", "Aruba@1", "aruba@0", ""])
def test_what_is_neither_a_key_nor_a_file_is_refused(what: str) -> None:
    with pytest.raises(CommandError, match=r"is neither a file nor a published policy.*`amends policy list`"):
        named(what)


def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "draft@2.yaml"
    file.write_bytes(b"name: \xff")
    with pytest.raises(CommandError, match=r"draft@2\.yaml: byte 6 is not UTF-8"):
        named(str(file))


def test_a_customer_of_a_comparison_is_told_with_both_sides() -> None:
    sample = {"customer_id": "C1", "a": {"EUR": "5.00", "days": "15"}, "b": {}}
    assert one(sample) == "C1: 5.00 EUR, 15 days under A, nothing under B"
