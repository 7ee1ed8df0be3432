"""The oracle's mailbox: what a customer has been told, letter by letter, and whether that is what he should know.

It reads a letter from the events that the letter is made of, as a customer would read it: what he is given, and what is
taken back. Leaves to `life_checks` the comparison with what stands in the ledger.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Protocol

Data = dict[str, Any]


class Letter(Protocol):
    """What is known of a letter that was in hand."""

    @property
    def letter_id(self) -> str: ...
    @property
    def incident_id(self) -> str: ...
    @property
    def customer_id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def news(self) -> list[Any]: ...


@dataclass
class Read:
    """What one letter tells: the entries that were given, and those that were taken back."""

    kind: str
    given: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)


def read(kind: str, news: list[Data]) -> Read:
    """Read a letter: what was given and taken back before it left is in it neither way, unless he knew of it."""
    letter = Read(kind)
    reversed_entries = {
        one["reverses"] for event in news for one in event.get("reversals", ()) if one["outcome"] == "applied"
    }
    answered = [one for event in news for one in event.get("outcomes", ())]
    lines = [one["entry_id"] for one in answered]
    assert len(lines) == len(set(lines)), f"a letter that says the same twice: {news}"
    for one in answered:
        (letter.given if one["outcome"] == "applied" else letter.refused).add(one["entry_id"])
    if kind == "announcement":
        letter.given |= {one["entry_id"] for event in news for one in event.get("remedies", ())} - letter.refused
    told_before = {entry for event in news for entry in event.get("told", ())}
    letter.taken = reversed_entries - (letter.given - told_before)
    letter.given -= reversed_entries
    return letter


class Mailbox:
    """All letters that have left, by incident and customer."""

    def __init__(self) -> None:
        self.left: dict[tuple[str, str], list[Letter]] = defaultdict(list)
        self.drills: dict[tuple[str, str], list[Letter]] = defaultdict(list)

    def hear(self, event_type: str, event_id: str, key: str, data: Data) -> None:
        """What notifications hears; the mailbox waits for what comes of it."""

    def put(self, letter: Letter) -> None:
        """A letter comes: never one of a kind twice, corrections apart, and never one that says nothing."""
        where = (letter.incident_id, letter.customer_id)
        if letter.state == "suppressed":
            self.drills[where].append(letter)
            return
        assert letter.state == "sent", letter
        before = self.left[where]
        assert letter.letter_id not in {one.letter_id for one in before}, f"{letter.kind} was sent twice"
        if letter.kind != "correction":
            assert letter.kind not in {one.kind for one in before}, f"two letters of the kind {letter.kind}"
        else:
            assert before, "who was told of nothing needs no correction"
        told = read(letter.kind, letter.news)
        assert told.given or told.taken or told.refused, f"a letter that says nothing: {letter}"
        for one in (one for one in before if one.kind != "announcement" and letter.kind != "announcement"):
            again = read(one.kind, one.news).given & told.given
            assert not again, f"told twice: {again}"
        before.append(letter)

    def knows(self, incident_id: str, customer_id: str) -> tuple[set[str], set[str]]:
        """The entries that a customer believes to have, and those that he was told are his no longer."""
        has: set[str] = set()
        lost: set[str] = set()
        for letter in self.left[incident_id, customer_id]:
            told = read(letter.kind, letter.news)
            has = (has | told.given) - told.taken
            lost |= told.taken
        return has, lost
