"""The audit trail on a screen: its chain recomputed, and each entry in words."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from schemas.audit import genesis, link
from services.cli.audit import broken, line


def chain(*said: tuple[str, str, dict[str, Any]]) -> list[dict[str, Any]]:
    """A trail of (actor, action, detail) as entitlements would keep it."""
    entries: list[dict[str, Any]] = []
    previous = genesis("i1")
    for number, (actor, action, detail) in enumerate(said, 1):
        entry = {
            "number": number,
            "at": "2026-01-01T10:00:00+00:00",
            "actor": actor,
            "action": action,
            "detail": detail,
        }
        entries.append(entry | {"previous": previous, "hash": link(previous, entry)})
        previous = str(entries[-1]["hash"])
    return entries


TRAIL = chain(
    ("anna", "declared", {"revision": 1, "event_id": "e1", "digest": "d"}),
    ("amends", "asked", {"plan": "ab", "comes_to": {"EUR": "100.00"}, "reason": "100.00 EUR is much"}),
    ("berta", "approved", {"plan": "ab", "event_id": "e2", "allowed": None}),
)
ENDS = {"entries": 3, "head": TRAIL[-1]["hash"]}


def test_a_whole_trail_has_no_flaw() -> None:
    assert broken("i1", TRAIL, ENDS) == []
    assert broken("i1", [], {"entries": 0, "head": None}) == []


def test_a_changed_byte_is_named() -> None:
    trail = copy.deepcopy(TRAIL)
    trail[1]["detail"]["comes_to"]["EUR"] = "900.00"
    assert broken("i1", trail, ENDS) == ["entry 2 was changed: its hash is not of what it says"]


def test_an_entry_that_was_taken_out_is_named() -> None:
    found = broken("i1", [TRAIL[0], TRAIL[2]], ENDS)
    assert "entry 2 is missing: after 1 comes 3" in found


def test_the_last_entries_cannot_be_cut_off_unseen() -> None:
    assert broken("i1", TRAIL[:2], ENDS) == ["2 entries are there, and there were 3"]


def test_the_last_entry_cannot_be_written_anew() -> None:
    trail = copy.deepcopy(TRAIL)
    trail[2]["actor"] = "carla"
    trail[2]["hash"] = link(trail[2]["previous"], trail[2])
    assert broken("i1", trail, ENDS) == ["entry 3 is not the one that the trail ended with"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (TRAIL[0], "  1  2026-01-01T10:00:00+00:00  anna: declared, revision 1"),
        (
            TRAIL[1],
            "  2  2026-01-01T10:00:00+00:00  amends: asked, plan ab, comes to 100.00 EUR, reason 100.00 EUR is much",
        ),
        (TRAIL[2], "  3  2026-01-01T10:00:00+00:00  berta: approved, plan ab"),
    ],
)
def test_an_entry_says_who_did_what_and_why(entry: dict[str, Any], words: str) -> None:
    assert line(entry) == words
