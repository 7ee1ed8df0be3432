"""A whole incident on the whole stack: declared for one site, amended to two, resolved, half of it taken back.

Fifty thousand customers; after each step the books close, and at the end every entry, every answer and every letter is
what the oracle says, customer by customer.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import stack as local
from deploy.local.customer_base import incident
from tests.e2e import outside
from tests.e2e.life import POLICY, by_customer
from tests.e2e.life import books as books_of
from tests.e2e.world import World, policies_beside
from tests.life.telling import same

CUSTOMERS = 50_000
INCIDENT = "whole-life-2011"
WATCHED = ("amends.entitlements.v1", "amends.announcements.v1", "amends.adjustments.v1")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("life")
    try:
        yield World(folder, CUSTOMERS, policies=policies_beside({"whole-life@1": POLICY}, folder / "policies"))
    finally:
        local.down(folder / ".amends")


def said(revision: int, **changed: Any) -> dict[str, Any]:
    """A statement of the incident."""
    by_then = {"revision": revision, "declared_at": f"2011-05-{12 + revision}T10:00:00+02:00"}
    return incident(incident_id=INCIDENT) | {"policy": "whole-life@1"} | by_then | changed


LASTING = {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": None}
OVER = {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": "2011-04-29T10:10:00+02:00"}
ONE, TWO, OTHER = ({"sites": sites} for sites in (["arezzo"], ["arezzo", "bergamo"], ["bergamo"]))
STEPS = [
    ("incident.declared.v1", said(1, impact=LASTING, scope=ONE)),
    ("incident.amended.v1", said(2, impact=LASTING, scope=TWO)),
    ("incident.resolved.v1", {"ends_at": OVER["ends_at"]}),
    ("incident.amended.v1", said(4, impact=OVER, scope=OTHER)),
]


def step(world: World, event_type: str, body: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Say it as an operator would, with the command; what was said, as it then stands in the trail of revisions."""
    if event_type == "incident.resolved.v1":
        world.amends("resolve", INCIDENT, "--at", body["ends_at"], "--as", "desk")
    else:
        file = folder / f"{body['revision']}.json"
        file.write_text(json.dumps(body), "utf-8")
        world.amends("declare" if body["revision"] == 1 else "amend", str(file))
    world.watch(INCIDENT)
    return world.heard(INCIDENT)


def test_every_entry_and_letter_of_a_whole_life_is_as_the_oracle_says(world: World, tmp_path: Path) -> None:
    books = books_of(world.contracts_csv)
    for number, (event_type, body) in enumerate(STEPS, 1):
        heard = step(world, event_type, body, tmp_path)
        for book in books.values():
            book.step(event_type, f"step-{number}", heard)
        closed = world.books(INCIDENT)
        assert closed["closed"], closed["gaps"]
        assert closed["revision"] == number
        considered = {name for name, book in books.items() if book.oracle.incidents[INCIDENT].exclusions}
        assert closed["customers"]["considered"] == len(considered)
    _events_are_as_they_should_be(world, books)
    _letters_are_as_they_should_be(world, books)


def _events_are_as_they_should_be(world: World, books: dict[str, Any]) -> None:
    """Whatever was told of a customer is what his book says, event by event."""
    told = by_customer(record for records in world.read(*WATCHED).values() for record in records)
    assert told.keys() <= books.keys()
    for name, book in books.items():
        same(told.get(name, []), book.told)


def _letters_are_as_they_should_be(world: World, books: dict[str, Any]) -> None:
    """Who must have been written what was written that, once; what was sent is in the mailbox, once."""
    settled = [record.data for record in world.read("amends.letters.v1")["amends.letters.v1"]]
    kinds: dict[str, list[str]] = defaultdict(list)
    statuses: dict[str, set[str]] = defaultdict(set)
    for letter in settled:
        kinds[letter["customer_id"]].append(letter["kind"])
        statuses[letter["customer_id"]].add(letter["status"])
    assert {status for found in statuses.values() for status in found} <= {"sent", "failed", "no_address"}
    for name, book in books.items():
        reachable = "sent" in statuses[name]
        assert sorted(kinds[name]) == book.letters(reachable), name
    sent = Counter(letter["letter_id"] for letter in settled if letter["status"] == "sent")
    assert set(sent.values()) == {1}
    assert outside.letter_ids(world.stack.mailbox) == sent
