"""The words that every command shares."""

from __future__ import annotations

import pytest

from services.cli.words import DRILL, listed, marked, money, reasons, worth


def test_a_drill_says_so_in_its_title() -> None:
    assert marked("i1, revision 1", drill=True) == f"i1, revision 1 ({DRILL})"
    assert marked("i1, revision 1", drill=False) == "i1, revision 1"


def test_money_is_told_by_currency() -> None:
    assert money({"JPY": "1200", "EUR": "5.00"}) == "5.00 EUR, 1200 JPY"
    assert money({}) == "nothing"


def test_counts_are_told_with_their_reasons() -> None:
    assert reasons({"open_ended": 1200, "expired": 2}) == "2 expired, 1,200 open ended"
    assert reasons({}) == ""


@pytest.mark.parametrize(
    ("totals", "words"),
    [
        ({"days": 1500, "money": {"EUR": "5.00"}}, "1,500 days, 5.00 EUR"),
        ({"days": 0, "money": {}}, "nothing"),
        ({"days": 15, "money": {}}, "15 days"),
    ],
)
def test_what_remedies_come_to(totals: dict[str, object], words: str) -> None:
    assert worth(totals) == words


def test_names_are_joined_as_in_a_sentence() -> None:
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
