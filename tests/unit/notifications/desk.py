"""A correspondence as a desk sees it: events come in, letters leave, and what each letter says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from schemas.events import LetterKind
from services.notifications.correspondence import Correspondence
from services.notifications.domain import State
from services.notifications.news import News, content
from tests.unit.notifications.outcomes import Outcome, addon, extension, voucher

BOTH: tuple[LetterKind, ...] = ("announcement", "details")
ANNOUNCEMENT: tuple[LetterKind, ...] = ("announcement",)


def news(event_id: str, revision: int, **parts: list[Outcome]) -> News:
    body: dict[str, Any] = {"incident_id": "i", "revision": revision, "customer_id": "c", **parts}
    return News(event_id, body, orjson.dumps(body))


def answer(*outcomes: Outcome, which: str = "p", revision: int = 1) -> News:
    return news(which, revision, outcomes=list(outcomes))


def undone(*reversals: Outcome, which: str = "r", revision: int = 2) -> News:
    return news(which, revision, reversals=list(reversals))


def announcement(*remedies: Outcome, which: str = "a", revision: int = 1) -> News:
    return news(which, revision, remedies=list(remedies))


@dataclass
class Desk:
    """A correspondence, and the letters that leave it."""

    wanted: tuple[LetterKind, ...] = ("details",)
    it: Correspondence = field(default_factory=lambda: Correspondence("i", "c", address=State.PENDING))

    def hear(self, *events: News) -> Desk:
        for event in events:
            self.it.hear(event, self.wanted)
        return self

    def leave(self, kind: str = "", state: State = State.SENT) -> Desk:
        for letter in self.it.letters:
            if letter.state is State.PENDING and letter.kind.startswith(kind):
                letter.state = state
        return self

    @property
    def states(self) -> list[tuple[str, str]]:
        """Each letter with its state, or why it does not leave."""
        order = ("announcement", "details", "correction")
        letters = sorted(self.it.letters, key=lambda letter: (order.index(letter.kind), letter.letter_id))
        return [(letter.kind, letter.cancelled or letter.state) for letter in letters]

    def said(self, kind: LetterKind) -> tuple[list[str], list[str]]:
        """The entries that the last letter of the kind gives and takes back."""
        letter = [one for one in self.it.letters if one.kind == kind][-1]
        told = content(kind, letter.bodies)
        return [one["entry_id"] for one in told.given], [one["reverses"] for one in told.taken]


ENTRIES = ("e1", "e2", "e3")
GIVEN = {"e1": extension(), "e2": addon(), "e3": voucher()}
KINDS = {"e1": "extension", "e2": "addon", "e3": "voucher"}
