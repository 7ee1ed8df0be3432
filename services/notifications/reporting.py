"""Saying how far the letters have come: running totals, `letter.settled.v1`, progress, and the bell for the sender.

Everything in the transaction of the letters that it tells of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from schemas import topics
from services.notifications import messages
from services.notifications.correspondence import Correspondence, Letter
from services.notifications.domain import SettledLetter, State
from services.notifications.metrics import LetterMetrics
from services.runtime import bell, tally
from services.runtime.work import Transaction

PENDING = "letter"
"""The bell: there are letters to send."""
STATED = "statement"
"""The bell: an incident was taken back, or stands again."""
ADDRESSES, RETRACTIONS = "addresses", "retractions"
"""The lanes of those who settle letters beside the sender."""

_END = (State.SUPPRESSED, State.NO_ADDRESS)


@dataclass
class Report:
    """What one piece of work has made of letters; told once, at its end."""

    counts: dict[tally.Lane, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    settled: list[SettledLetter] = field(default_factory=list)
    drills: set[str] = field(default_factory=set)
    to_send: bool = False

    def count(self, incident_id: str, lane: str, name: str, drill: bool) -> None:
        """Count one of something."""
        self.counts[incident_id, lane][name] += 1
        if drill:
            self.drills.add(incident_id)

    def settle(self, letters: Iterable[SettledLetter], lane: str) -> None:
        """Letters have come to their end."""
        for letter in letters:
            self.settled.append(letter)
            self.count(letter.incident_id, lane, letter.state, letter.drill)

    def arranged(self, correspondence: Correspondence, lane: str) -> None:
        """What has changed in a correspondence. A letter that comes back after its end counts as another one."""
        for letter in correspondence.changed:
            is_begun = letter.before is None or (letter.before in _END and letter.state is not letter.before)
            if is_begun:
                self.count(correspondence.incident_id, lane, "letters", letter.drill)
            if letter.state in _END and letter.state is not letter.before:
                self.settle([_at_its_end(correspondence, letter)], lane)
            self.to_send = self.to_send or letter.state is State.PENDING

    async def tell(self, transaction: Transaction, metrics: LetterMetrics) -> None:
        """Add to the totals, publish them and what was settled, ring if there is something to send."""
        if self.counts:
            totals = await tally.add(transaction.connection, self.counts)
            transaction.publish(topics.LETTERS, messages.settled(self.settled))
            transaction.publish(topics.PROGRESS, messages.progress(totals, self.drills))
            metrics.count(self.settled)
        if self.to_send:
            await bell.ring(transaction.connection, PENDING)


async def report(transaction: Transaction, settled: Sequence[SettledLetter], lane: str, metrics: LetterMetrics) -> None:
    """Count letters that have come to their end, and say so."""
    told = Report()
    told.settle(settled, lane)
    await told.tell(transaction, metrics)


def _at_its_end(correspondence: Correspondence, letter: Letter) -> SettledLetter:
    return SettledLetter(
        str(letter.letter_id),
        correspondence.incident_id,
        correspondence.customer_id,
        letter.kind,
        letter.state.value,
        letter.drill,
        letter.cancelled is not None,
    )
