"""What is left to say of several events: what was taken back before a letter left is not in it."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from schemas.events import LetterKind
from services.notifications.news import Content, content, entries, is_withdrawn
from tests.unit.notifications.outcomes import Outcome, addon, credit, extension, refused, remedy, reversal, voucher


def answered(*outcomes: Outcome) -> dict[str, Any]:
    return {"revision": 1, "outcomes": list(outcomes)}


def undone(*reversals: Outcome) -> dict[str, Any]:
    return {"revision": 2, "reversals": list(reversals)}


def owed(*remedies: Outcome) -> dict[str, Any]:
    return {"revision": 1, "remedies": list(remedies)}


def ids(said: Content) -> tuple[list[str], list[str], list[str]]:
    """The entries given, taken back and kept."""
    return (
        [one["entry_id"] for one in said.given],
        [one["reverses"] for one in said.taken],
        [one["reverses"] for one in said.kept],
    )


CASES: list[tuple[str, LetterKind, list[dict[str, Any]], tuple[list[str], list[str], list[str]]]] = [
    ("one answer", "details", [answered(extension(), voucher())], (["e1", "e3"], [], [])),
    ("taken back", "details", [answered(extension(), voucher()), undone(reversal())], (["e3"], [], [])),
    ("all taken back", "details", [answered(extension()), undone(reversal())], ([], [], [])),
    ("used", "details", [answered(extension()), undone(reversal(reason="used"))], (["e1"], [], [])),
    ("honoured", "details", [answered(extension()), undone(reversal(reason="honoured"))], (["e1"], [], [])),
    (
        "a refusal that is not owed any more",
        "details",
        [answered(refused(), voucher()), undone(reversal(reverses="e9", reason="refused_before"))],
        (["e3"], [], []),
    ),
    (
        "what came in the place of what was taken back",
        "details",
        [answered(refused(), credit(substitutes="e9")), undone(reversal("credit", reverses="e9"))],
        ([], [], []),
    ),
    (
        "what came in its place and stays",
        "details",
        [
            answered(refused(), credit(substitutes="e9")),
            undone(reversal(reverses="e9", reason="refused_before"), reversal("credit", "e4", "redeemed")),
        ],
        (["e4"], [], []),
    ),
    ("announced", "announcement", [owed(remedy(), remedy("voucher", "e3"))], (["e1", "e3"], [], [])),
    ("announced and taken back", "announcement", [owed(remedy()), undone(reversal())], ([], [], [])),
    (
        "announced, refused, and something in its place",
        "announcement",
        [owed(remedy(entry="e9")), answered(refused(), credit(substitutes="e9"))],
        (["e4"], [], []),
    ),
    ("told before", "correction", [undone(reversal())], ([], ["e1"], [])),
    (
        "kept beside what is taken back",
        "correction",
        [undone(reversal(), reversal("voucher", "e3", "redeemed"), reversal("addon", "e2", "honoured"))],
        ([], ["e1"], ["e3"]),
    ),
    ("kept alone", "correction", [undone(reversal("voucher", "e3", "redeemed"))], ([], [], [])),
    (
        "added in the same letter and taken back",
        "correction",
        [answered(addon()), undone(reversal("addon", "e2"), reversal("voucher", "e3"))],
        ([], ["e3"], []),
    ),
]


@pytest.mark.parametrize(("kind", "bodies", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_letter_says_what_is_left(
    kind: LetterKind, bodies: list[dict[str, Any]], said: tuple[list[str], list[str], list[str]]
) -> None:
    for order in permutations(bodies):
        assert ids(content(kind, order)) == said


def test_nothing_is_owed_any_more_when_every_part_is_withdrawn_whatever_became_of_it() -> None:
    honoured, used = reversal(reason="honoured"), reversal("voucher", "e3", "redeemed")
    assert is_withdrawn("details", [answered(extension(), voucher()), undone(honoured, used)])
    assert not is_withdrawn("details", [answered(extension(), voucher()), undone(honoured)])
    assert not is_withdrawn("correction", [undone(reversal())]), "it has something to take back"


def test_with_an_announcement_is_told_what_may_come_in_its_place() -> None:
    instead = {"reasons": ["expired"], "remedy": remedy("credit", "e7")}
    body = owed(remedy(substitutes=[instead]))
    assert entries([body]) == {"e1", "e7"}
    assert entries([body], substitutes=False) == {"e1"}


# ── One contract, several moves ──────────────────────────────────────────────────────────────────────────────────


def moved(entry: str, before: str, after: str) -> Outcome:
    return extension(entry_id=entry, ends_on={"before": before, "after": after})


def moved_back(entry: str, before: str, after: str) -> Outcome:
    return reversal(reverses=entry, ends_on={"before": before, "after": after})


def test_a_contract_extended_twice_is_named_once_with_its_last_date() -> None:
    bodies = [
        answered(moved("a", "2011-12-01", "2011-12-16")),
        answered(moved("b", "2011-12-16", "2011-12-20")),
    ]
    for order in permutations(bodies):
        (line,) = content("details", order).given
        assert line["ends_on"] == {"before": "2011-12-01", "after": "2011-12-20"}


@pytest.mark.parametrize(
    ("withdrawn", "granted"),
    [
        (("2011-12-16", "2011-12-01"), ("2011-12-01", "2011-12-06")),
        (("2011-12-21", "2011-12-06"), ("2011-12-16", "2011-12-21")),
    ],
    ids=["taken back first", "granted first"],
)
def test_a_letter_names_the_date_that_the_contract_has_whichever_billing_did_first(
    withdrawn: tuple[str, str], granted: tuple[str, str]
) -> None:
    first, back, less = (
        answered(moved("a", "2011-12-01", "2011-12-16")),
        undone(moved_back("a", *withdrawn)),
        answered(moved("b", *granted)),
    )
    for order in permutations([first, back, less]):
        (line,) = content("details", order).given
        assert line["ends_on"] == {"before": "2011-12-01", "after": "2011-12-06"}
    for order in permutations([back, less]):
        said = content("correction", order)
        assert [line["ends_on"] for line in said.given] == [{"before": "2011-12-16", "after": "2011-12-06"}]
        assert [line["ends_on"] for line in said.taken] == [None], "it has another end by now"


def test_moves_with_another_incidents_between_them_reach_from_the_first_to_the_last() -> None:
    bodies = [answered(moved("a", "2011-12-01", "2011-12-16"), moved("b", "2011-12-18", "2011-12-20"))]
    (line,) = content("details", [*bodies, answered(voucher())]).given[:1]
    assert line["ends_on"] == {"before": "2011-12-01", "after": "2011-12-20"}


def test_days_announced_twice_for_a_contract_are_announced_together() -> None:
    (line,) = content("announcement", [owed(remedy(entry="a")), owed(remedy(entry="b", days=4))]).given
    assert line["days"] == 19
