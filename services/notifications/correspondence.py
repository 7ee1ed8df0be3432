"""All letters to one customer about one incident, and what an event makes of them: pure, in memory.

What has left is never touched. What has not is arranged anew with every event, by all that its letters hold, so that
the order in which events come makes no difference to what is said. Leaves the reading and writing of rows to `store`,
what events say to `news`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from schemas.events import LetterKind
from services.notifications.domain import Cancelled, State, letter_id
from services.notifications.news import (
    Body,
    News,
    content,
    entries,
    is_open,
    is_withdrawn,
    not_announced,
    to_take_back,
)

_LEFT = (State.SENDING, State.SENT, State.IN_DOUBT)
_UNSENT = (State.WAITING, State.PENDING, State.NO_ADDRESS)
DETAILS_ALONE: tuple[LetterKind, ...] = ("details",)
ANNOUNCEMENT_ALONE: tuple[LetterKind, ...] = ("announcement",)


@dataclass(slots=True)
class Letter:
    """One letter as its row has it; `before` is the state of the row, None while there is no row."""

    letter_id: UUID
    kind: LetterKind
    news: list[News]
    drill: bool
    state: State
    cancelled: Cancelled | None = None
    before: State | None = None
    is_changed: bool = False

    @property
    def has_left(self) -> bool:
        """Whether the customer has it, or may have it: a drill's letter counts as it would in earnest."""
        return self.state in _LEFT or (self.state is State.SUPPRESSED and self.cancelled is None)

    @property
    def is_unsent(self) -> bool:
        """Whether its words can still change."""
        return self.state in _UNSENT or (self.state is State.SUPPRESSED and self.cancelled is not None)

    @property
    def bodies(self) -> list[Body]:
        """The events' data."""
        return [one.body for one in self.news]

    @property
    def revision(self) -> int:
        """The highest revision that it speaks of."""
        return max(one.revision for one in self.news)

    def join(self, news: News) -> None:
        """Take an event in, at the place that is its own whatever came first."""
        self.news = sorted([*self.news, news], key=lambda one: (one.revision, one.event_id))
        self.is_changed = True

    def knows(self, event_id: str) -> bool:
        """Whether the event is in it."""
        return any(one.event_id == event_id for one in self.news)


@dataclass(slots=True)
class Correspondence:
    """One customer's letters about one incident.

    `address` is the state of a letter to him before any attempt. `retracted_since` is the revision that took the
    incident back (None: it stands): what speaks of earlier ones alone waits for what it makes of them.
    """

    incident_id: str
    customer_id: str
    letters: list[Letter] = field(default_factory=list)
    address: State = State.WAITING
    retracted_since: int | None = None

    @property
    def changed(self) -> list[Letter]:
        """What is to be written."""
        return [letter for letter in self.letters if letter.is_changed]

    def hear(self, news: News, wanted: Collection[LetterKind] = DETAILS_ALONE, drill: bool = False) -> bool:
        """Take an event in, under a policy that wants these letters; False if it was known."""
        if any(letter.knows(news.event_id) for letter in self.letters):
            return False
        if "remedies" in news.body:
            self._announced(news, drill)
        elif "outcomes" in news.body:
            self._answered(news, wanted, drill)
        else:
            self._reversed(news, wanted, drill)
        self.judge()
        return True

    def judge(self) -> None:
        """Which of the unsent letters can leave: what has nothing to say, or is about what was taken back, does not."""
        for letter in self.letters:
            if letter.is_unsent and letter.state is not State.NO_ADDRESS:
                cancelled = self._why_cancelled(letter)
                waits = letter.state in (State.WAITING, State.PENDING)
                state = State.SUPPRESSED if cancelled else letter.state if waits else self.address
                outlives = cancelled is None and self.holds_for(letter) > letter.revision
                if outlives or (state, cancelled) != (letter.state, letter.cancelled):
                    letter.state, letter.cancelled, letter.is_changed = state, cancelled, True

    def holds_for(self, letter: Letter) -> int:
        """The highest revision under which a letter's words hold: one that it speaks of, or a retraction."""
        if self.retracted_since is None or not letter.is_unsent or letter.cancelled is not None:
            return letter.revision
        return max(letter.revision, self.retracted_since)

    def reconsider(self) -> None:
        """A letter that was in hand has not left after all: what was taken back meanwhile drops out of it again."""
        told = self._told()
        for correction in self._all("correction"):
            for reversal in [one for one in correction.news if "reversals" in one.body]:
                for letter in self.letters:
                    if letter.is_unsent and not letter.knows(reversal.event_id):
                        self._drop(letter, reversal)
                if correction.is_unsent:
                    left = reversal.only("reversals", to_take_back(reversal, told, entries(correction.bodies)))
                    left = left.of_told(told)
                    if left is not reversal:
                        correction.news[correction.news.index(reversal)] = left
                        correction.is_changed = True
        self.judge()

    @staticmethod
    def _drop(letter: Letter, reversal: News) -> None:
        """Let a letter say less; a correction only of what it gives itself."""
        if letter.kind != "correction":
            letter.join(reversal)
        elif own := [one for one in reversal.body["reversals"] if one["reverses"] in entries(letter.bodies)]:
            letter.join(reversal.only("reversals", own))

    # ── where an event goes ───────────────────────────────────────────────────────────────────────────────────────

    def _announced(self, news: News, drill: bool) -> None:
        """Into the announcement; when that has left, the details or a correction will tell."""
        letter = self._first("announcement") or self._begin("announcement", drill)
        letter.join(news if letter.is_unsent else news.noted())

    def _answered(self, news: News, wanted: Collection[LetterKind], drill: bool) -> None:
        """Into the details, or the announcement where the policy wants no details; else into a correction."""
        kind: LetterKind = "details" if "details" in wanted else "announcement"
        letter = self._first(kind) or self._begin(kind, drill)
        if letter.is_unsent:
            letter.join(news)
            return
        if kind == "announcement":
            announced = entries((body for one in self._left() for body in one.bodies), substitutes=False)
            left_open = not_announced(news, announced)
            if not left_open:
                letter.join(news.noted())
                return
            news = news.only("outcomes", left_open)
        self._correct(news, drill)

    def _reversed(self, news: News, wanted: Collection[LetterKind], drill: bool) -> None:
        """Into what has not left, which says so much less; into a correction where he was told of it."""
        for kind in [kind for kind in wanted if kind != "correction"] or DETAILS_ALONE:
            letter = self._first(kind) or self._begin(kind, drill)  # the answer itself may still be on its way
            if letter.is_unsent:
                letter.join(news)
        correction, told = self._open_correction(), self._told()
        bodies = correction.bodies if correction else []
        takes = bool(content("correction", bodies).taken)
        concerned = to_take_back(news, told, entries(bodies), takes=takes)
        if concerned:
            self._correct(news.only("reversals", concerned).of_told(told), drill)
        for another in self._all("correction"):
            if another.is_unsent and not another.knows(news.event_id):
                self._drop(another, news)
        if not any(letter.knows(news.event_id) for letter in self.letters):
            self.letters[0].join(news.noted())

    def _correct(self, news: News, drill: bool) -> None:
        """Into the correction that has not left, if there is one: one consolidated letter."""
        correction = self._open_correction()
        if correction is None:
            correction = self._begin("correction", drill, news.event_id)
        correction.join(news)

    def _begin(self, kind: LetterKind, drill: bool, which: str = "") -> Letter:
        identity = letter_id(self.incident_id, self.customer_id, kind, which)
        letter = Letter(identity, kind, [], drill, self.address)
        self.letters.append(letter)
        return letter

    # ── what there is ─────────────────────────────────────────────────────────────────────────────────────────────

    def _why_cancelled(self, letter: Letter) -> Cancelled | None:
        has_been_told = bool(self._left())
        bodies = letter.bodies
        if not content(letter.kind, bodies) or (not has_been_told and is_withdrawn(letter.kind, bodies)):
            return Cancelled.WITHDRAWN
        if self._is_stopped(letter):
            return Cancelled.RETRACTED
        if letter.kind == "announcement" and any(details.has_left for details in self._all("details")):
            return Cancelled.OVERTAKEN
        return None

    def _is_stopped(self, letter: Letter) -> bool:
        """Whether a letter waits for what a retraction makes of what he was given: that comes in one event.

        Where everything had been withdrawn before, nothing will come: what takes it back leaves as it is.
        """
        since = self.retracted_since
        if since is None or letter.revision >= since:
            return False
        return is_open([body for one in self.letters for body in one.bodies], since)

    def _left(self) -> list[Letter]:
        return [letter for letter in self.letters if letter.has_left]

    def _told(self) -> set[str]:
        """The entries of which he has been told."""
        return entries(body for letter in self._left() for body in letter.bodies)

    def _all(self, kind: LetterKind) -> list[Letter]:
        return [letter for letter in self.letters if letter.kind == kind]

    def _first(self, kind: LetterKind) -> Letter | None:
        return next(iter(self._all(kind)), None)

    def _open_correction(self) -> Letter | None:
        unsent = [letter for letter in self._all("correction") if letter.is_unsent]
        return min(unsent, key=lambda letter: letter.letter_id, default=None)
