"""The chain of an audit trail: whatever is changed, left out, put in or moved is found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.audit import FIELDS, flaws, genesis, link

INCIDENT = "aruba-2011-04-29"


def trail(*actions: str, incident: str = INCIDENT) -> list[dict[str, Any]]:
    """Entries that follow each other as the service writes them."""
    entries: list[dict[str, Any]] = []
    previous = genesis(incident)
    for number, action in enumerate(actions, 1):
        entry: dict[str, Any] = {
            "number": number,
            "at": f"2011-04-29T14:{number:02}:00+00:00",
            "actor": "operator.on.duty",
            "action": action,
            "detail": {"revision": 1, "plan": "b5bb9d80"},
        }
        entry["previous"] = previous
        entry["hash"] = previous = link(previous, entry)
        entries.append(entry)
    return entries


def test_a_trail_that_nobody_touched_is_whole() -> None:
    assert flaws(INCIDENT, trail("declared", "approved", "done")) == []
    assert flaws(INCIDENT, []) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at", "2011-04-29T14:02:01+00:00"),
        ("actor", "somebody.else"),
        ("action", "paused"),
        ("detail", {"revision": 1, "plan": "b5bb9d81"}),
        ("detail", {"revision": 1}),
        ("hash", "0" * 64),
        ("previous", "0" * 64),
        ("number", 7),
    ],
)
def test_a_changed_entry_is_named(field: str, value: Any) -> None:
    entries = trail("declared", "approved", "done")
    entries[1][field] = value
    said = flaws(INCIDENT, entries)
    assert said
    assert all("entry" in line for line in said)
    assert any(str(number) in line for line in said for number in (2, 3, value))


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_that_an_entry_tells_is_covered_by_its_hash(field: str) -> None:
    (entry,) = trail("declared")
    assert link(genesis(INCIDENT), entry | {field: 99}) != entry["hash"]


def test_a_changed_entry_with_a_hash_made_anew_breaks_the_next_one() -> None:
    entries = trail("declared", "approved", "done")
    entries[1]["actor"] = "somebody.else"
    entries[1]["hash"] = link(entries[1]["previous"], entries[1])
    assert flaws(INCIDENT, entries) == ["entry 3 does not follow the one before it"]


def test_an_entry_left_out_is_missed() -> None:
    one, _, three = trail("declared", "approved", "done")
    assert flaws(INCIDENT, [one, three]) == [
        "entry 2 is missing: after 1 comes 3",
        "entry 3 does not follow the one before it",
    ]


def test_the_first_entry_left_out_is_missed() -> None:
    assert flaws(INCIDENT, trail("declared", "approved")[1:])[0] == "entry 1 is missing: after 0 comes 2"


def test_two_entries_that_change_places_are_found() -> None:
    one, two, three = trail("declared", "approved", "done")
    assert flaws(INCIDENT, [one, three, two])


def test_a_trail_of_another_incident_is_not_taken_for_this_ones() -> None:
    assert flaws(INCIDENT, trail("declared", incident="another")) == ["entry 1 does not follow the one before it"]


def test_the_order_of_keys_in_a_detail_does_not_matter() -> None:
    """A database that keeps JSON gives the keys back in an order of its own."""
    (entry,) = trail("declared")
    turned = dict(reversed(entry["detail"].items()))
    assert list(turned) != list(entry["detail"])
    assert flaws(INCIDENT, [entry | {"detail": turned}]) == []


def test_the_hashes_of_a_trail_never_change() -> None:
    """Trails that were written are verified for ever: this fails when what a hash covers changes."""
    assert genesis(INCIDENT) == GENESIS
    assert trail("declared")[0]["hash"] == FIRST


GENESIS = "4e01b99104d28cc4554f1a4416c076c824940339b39057e6195541fe98a32d35"
FIRST = "501edf23de3bd25ebbd6887c5393a93797affa082723701634ac28f70d399b97"

BYTES = st.text(st.characters(codec="utf-8"), max_size=6)
ENTRIES = st.lists(st.tuples(BYTES, BYTES), min_size=1, max_size=6)


@given(ENTRIES, st.data())
def test_one_changed_byte_is_found_wherever_it_is(facts: list[tuple[str, str]], data: st.DataObject) -> None:
    entries = trail(*[action for action, _ in facts])
    at = data.draw(st.integers(0, len(entries) - 1))
    field = data.draw(st.sampled_from(["at", "actor", "action", "hash", "previous"]))
    value: str = entries[at][field]
    place = data.draw(st.integers(0, len(value)))
    entries[at][field] = value[:place] + "#" + value[place + 1 :]
    if entries[at][field] != value:
        assert flaws(INCIDENT, entries)
