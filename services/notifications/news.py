"""What an event says to a customer, and what is left to say of several: pure functions of the events' data.

An event is an announcement (`remedies`: what is owed), an answer (`outcomes`: what billing made of it) or a reversal
(`reversals`: what became of what is no longer owed), as the JSON object on the wire. Leaves to `correspondence` which
letter an event goes into, and the words to `lines` and `wording`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple, TypeAlias

import orjson

from schemas.events import LetterKind
from services.notifications.extensions import with_all_days, with_final_dates, without_dates

Body: TypeAlias = Mapping[str, Any]
"""An event's data."""

_STAYS = ("redeemed", "used")
_TAKES = ("applied", "refused_before")


class News(NamedTuple):
    """An event as a letter holds it: its id and its data, or what of the data concerns the letter."""

    event_id: str
    body: Body
    data: bytes

    @property
    def revision(self) -> int:
        """The revision of the incident that it is about."""
        revision: int = self.body["revision"]
        return revision

    def only(self, field: str, kept: Sequence[Body]) -> News:
        """The same event with no more than these of its parts; that the others are reversed stays known."""
        if len(kept) == len(self.body[field]):
            return self
        body = {**self.body, field: list(kept)}
        if field == "reversals":
            body["withdrawn"] = sorted(withdrawn([self.body]))
        return self._replace(body=body, data=orjson.dumps(body))

    def of_told(self, told: Set[str]) -> News:
        """The same reversal with the entries of which he has been told: their loss is told, whatever stands beside."""
        concerned = sorted(told & {one["reverses"] for one in self.body["reversals"]})
        if concerned == self.body.get("told", []):
            return self
        body = {**self.body, "told": concerned}
        return self._replace(body=body, data=orjson.dumps(body))

    def noted(self) -> News:
        """The same event without a word to say: known, so that a repetition is recognised."""
        return self.only(next(field for field in ("outcomes", "reversals", "remedies") if field in self.body), ())


def read(event_id: str, data: bytes) -> News:
    """An event from its data as it came."""
    return News(event_id, orjson.loads(data), data)


class Content(NamedTuple):
    """What a letter says: what was given (or is owed), what was taken back, and what stays all the same."""

    given: Sequence[Body]
    taken: Sequence[Body] = ()
    kept: Sequence[Body] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to say."""
        return bool(self.given or self.taken)


def content(kind: LetterKind, bodies: Sequence[Body]) -> Content:
    """What a letter with these events says. What was taken back before it left is not in it."""
    if len(bodies) == 1 and "outcomes" in bodies[0] and kind != "announcement":
        return Content(bodies[0]["outcomes"])  # nearly every letter
    reversals = _reversals(bodies)
    given = _owed(bodies) if kind == "announcement" else _answered(bodies)
    standing = [one for one in given.values() if not _is_taken(one, reversals)]
    if kind == "announcement":
        return Content(with_all_days(standing))
    standing = with_final_dates(standing, [*given.values(), *reversals.values()])
    if kind == "details":
        return Content(standing)
    told = {entry for body in bodies for entry in body.get("told", ())}
    told_before = [one for entry, one in reversals.items() if entry in told or entry not in given]
    taken = [one for one in told_before if one["outcome"] == "applied"]
    kept = [one for one in told_before if one.get("reason") in _STAYS] if taken else []
    return Content(standing, without_dates(taken, standing), kept)


def is_withdrawn(kind: LetterKind, bodies: Sequence[Body]) -> bool:
    """Whether nothing in these events is owed any more, taken back or not."""
    reversals = _reversals(bodies)
    given = _owed(bodies) if kind == "announcement" else _answered(bodies)
    withdrawn = all(one["entry_id"] in reversals or _in_place_of(one) in reversals for one in given.values())
    return withdrawn and not content(kind, bodies).taken


def entries(bodies: Iterable[Body], substitutes: bool = True) -> set[str]:
    """The entries that these events speak of giving; with what may come in their place, if billing has to refuse."""
    found: set[str] = set()
    for body in bodies:
        found.update(one["entry_id"] for one in body.get("outcomes", ()))
        for remedy in body.get("remedies", ()):
            found.add(remedy["entry_id"])
            if substitutes:
                found.update(one["remedy"]["entry_id"] for one in remedy.get("substitutes", ()))
    return found


def withdrawn(bodies: Iterable[Body]) -> set[str]:
    """The entries that are owed no longer, as far as these events tell: taken back or not."""
    found: set[str] = set()
    for body in bodies:
        found.update(body.get("withdrawn", ()))
        found.update(one["reverses"] for one in body.get("reversals", ()))
    return found


def is_open(bodies: Sequence[Body], before: int) -> bool:
    """Whether these events speak of an entry, for a revision before this one, that no reversal is known of."""
    gone = withdrawn(bodies)
    return any(
        one["entry_id"] not in gone and _in_place_of(one) not in gone
        for body in bodies
        if body["revision"] < before
        for one in (*body.get("outcomes", ()), *body.get("remedies", ()))
    )


def to_take_back(reversal: News, told: set[str], own: set[str], *, takes: bool = False) -> list[Body]:
    """Which reversals concern a correction: of what was told before, and of what the correction itself holds.

    What stays although it is no longer owed is worth a word only beside something that is taken back: by the same
    event, or (`takes`) by the correction as it is.
    """
    reversals: Sequence[Body] = reversal.body["reversals"]
    takes = takes or any(one["outcome"] == "applied" and one["reverses"] in told - own for one in reversals)
    return [
        one
        for one in reversals
        if one["reverses"] in own
        or (takes and one["reverses"] in told and (one["outcome"] == "applied" or one["reason"] in _STAYS))
    ]


def not_announced(answer: News, announced: set[str]) -> list[Body]:
    """Which outcomes a letter that only announced leaves open: what it did not name, and what it named in vain."""
    return [one for one in answer.body["outcomes"] if (one["outcome"] == "refused") == (one["entry_id"] in announced)]


def _reversals(bodies: Iterable[Body]) -> dict[str, Body]:
    """By the entry that is reversed; what was done counts before what was not."""
    found: dict[str, Body] = {}
    for body in bodies:
        for one in body.get("reversals", ()):
            if one["reverses"] not in found or one["outcome"] == "applied":
                found[one["reverses"]] = one
    return found


def _is_taken(given: Body, reversals: Mapping[str, Body]) -> bool:
    reversal = reversals.get(given["entry_id"])
    if reversal is not None and (reversal.get("reason") or "applied") in _TAKES:
        return True
    whole = reversals.get(_in_place_of(given))
    return whole is not None and whole["outcome"] == "applied"


def _in_place_of(given: Body) -> str:
    """The refused entry in whose place an outcome stands; "" for any other, and for a remedy that is only announced."""
    refused = given.get("substitutes")
    return refused if isinstance(refused, str) else ""


def _answered(bodies: Iterable[Body]) -> dict[str, Body]:
    answered: dict[str, Body] = {}
    for body in bodies:
        for one in body.get("outcomes", ()):
            answered.setdefault(one["entry_id"], one)
    return answered


def _owed(bodies: Sequence[Body]) -> dict[str, Body]:
    """What is announced. Under a policy that wants no details, billing's answers are in it too, if they came first."""
    owed = {one["entry_id"]: one for body in bodies for one in body.get("remedies", ())}
    for entry, one in _answered(bodies).items():
        if one["outcome"] == "refused":
            owed.pop(entry, None)
        else:
            owed.setdefault(entry, one)
    return owed
