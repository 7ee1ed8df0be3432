"""What notifications does with a batch: it keeps profiles, and makes what happens into letters.

Sending is the sender's; the runtime does the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from schemas import topics
from schemas.events import (
    AdjustmentApplied,
    AnnouncementRequested,
    IncidentApproved,
    IncidentPaused,
    IncidentResumed,
    LetterKind,
)
from services.notifications import messages
from services.notifications.correspondence import ANNOUNCEMENT_ALONE, DETAILS_ALONE
from services.notifications.decide import address_letter
from services.notifications.domain import Cancelled, Recipient, SettledLetter, State, letter_id
from services.notifications.metrics import LetterMetrics
from services.notifications.news import read
from services.notifications.register import Register
from services.notifications.reporting import ADDRESSES, PENDING, STATED, Report, report
from services.notifications.store import Draft, Matter, Store, Unsent
from services.runtime import bell
from services.runtime.envelope import Message
from services.runtime.handling import Route
from services.runtime.work import Transaction

_AT_A_TIME = 1_000
_COUNTED_AS = {
    "adjustment.applied.v1": "answers",
    "adjustment.reversed.v1": "reversals",
    "announcement.requested.v1": "announcements",
}


class Handlers:
    """The service's handlers: one per topic, each a batch in a transaction."""

    def __init__(self, metrics: LetterMetrics) -> None:
        self._metrics = metrics

    def routes(self) -> dict[str, Route]:
        """How each topic is read, and who handles it."""
        return {
            topics.INCIDENTS: Route(messages.INCIDENTS, self.incidents),
            topics.POLICIES: Route(messages.POLICIES, self.policies),
            topics.CUSTOMERS: Route(messages.CUSTOMERS, self.customers),
            topics.ANNOUNCEMENTS: Route(messages.ANNOUNCEMENTS, self.announcements),
            topics.ADJUSTMENTS: Route(messages.ADJUSTMENTS, self.adjustments),
        }

    async def incidents(self, batch: Sequence[Message], transaction: Transaction) -> None:
        """Keep what was said: a letter names what happened, and none leaves about what is paused or taken back."""
        register = Register(transaction.connection)
        for message in batch:
            if isinstance(message.data, IncidentPaused | IncidentResumed):
                await register.order(message.data, message.event_id)
            elif not isinstance(message.data, IncidentApproved):  # an approval is for whoever decides
                await register.hear(message.data, message.type, message.raw)
        await bell.ring(transaction.connection, STATED)
        await bell.ring(transaction.connection, PENDING)

    async def policies(self, batch: Sequence[Message], transaction: Transaction) -> None:
        """Keep the policies: a letter waits for the one of its incident."""
        register = Register(transaction.connection)
        for message in batch:
            await register.publish(message.data)
        await bell.ring(transaction.connection, PENDING)

    async def announcements(self, batch: Sequence[Message], transaction: Transaction) -> None:
        """One announcement per customer and incident, if it comes before the details have left."""
        known = await Store(transaction.connection).written_about({_matter(message) for message in batch})
        await self._take_in(batch, [message for message in batch if _matter(message) not in known], transaction)

    async def adjustments(self, batch: Sequence[Message], transaction: Transaction) -> None:
        """One details letter per customer and incident; what comes after it has left goes into a correction."""
        first = [
            message for message in batch if isinstance(message.data, AdjustmentApplied) and _wants_details(message)
        ]
        await self._take_in(batch, first, transaction)

    async def _take_in(self, batch: Sequence[Message], first: Sequence[Message], transaction: Transaction) -> None:
        """Begin a letter with each of the `first` where there is none; all others are arranged with what there is."""
        connection = transaction.connection
        store = Store(connection)
        recipients = await store.recipients(message.data.customer_id for message in batch)
        retracted = await Register(connection).retracted({message.data.incident_id for message in batch})
        drafts: dict[object, tuple[Draft, Message]] = {}
        for message in first:
            draft = _draft(message, recipients.get(message.data.customer_id), retracted)
            drafts.setdefault(draft.letter_id, (draft, message))
        written = await store.begin([draft for draft, _ in drafts.values()])
        told = Report()
        begun: set[int] = set()
        for draft, message in drafts.values():
            if draft.letter_id in written:
                begun.add(id(message))
                _tell_begun(told, draft, message)
        rest = [message for message in batch if id(message) not in begun]
        if rest:
            await self._arrange(rest, store, recipients, retracted, told)
        await told.tell(transaction, self._metrics)

    async def _arrange(
        self,
        batch: Iterable[Message],
        store: Store,
        recipients: Mapping[str, Recipient],
        retracted: Mapping[str, int],
        told: Report,
    ) -> None:
        """Take the events into what was written to each customer before."""
        lanes: dict[Matter, str] = {}
        found = await store.correspondences({_matter(message) for message in batch}, recipients, retracted)
        for message in batch:
            event = message.data
            matter = _matter(message)
            if found[matter].hear(read(message.event_id, message.raw), _wanted(message), event.drill):
                lanes[matter] = _lane(message)
                told.count(event.incident_id, _lane(message), _COUNTED_AS[message.type], event.drill)
        await store.save(found[matter] for matter in lanes)
        for matter, lane in lanes.items():
            told.arranged(found[matter], lane)

    async def customers(self, batch: Sequence[Message], transaction: Transaction) -> None:
        """Keep the profiles; letters that waited for one can go, those to a customer who is forgotten cannot."""
        store = Store(transaction.connection)
        last = {message.key if message.data is None else message.data.customer_id: message for message in batch}
        known = [message.data for message in last.values() if message.data is not None]
        forgotten = [customer_id for customer_id, message in last.items() if message.data is None]
        await store.save_recipients(known)
        await store.forget(forgotten)
        profiles = {c.customer_id: Recipient(c.customer_id, c.name, c.email, c.locale) for c in known}
        letters = [(letter, profiles[letter.customer_id]) for letter in await store.waiting(list(profiles))]
        letters += [(letter, Recipient(letter.customer_id)) for letter in await store.unsent(forgotten)]
        await _address(letters, transaction, self._metrics)


async def address_waiting(transaction: Transaction, metrics: LetterMetrics) -> None:
    """Letters that wait for a profile that is there by now can go."""
    await _address(await Store(transaction.connection).addressable(_AT_A_TIME), transaction, metrics)


async def _address(
    letters: Sequence[tuple[Unsent, Recipient]], transaction: Transaction, metrics: LetterMetrics
) -> None:
    """Letters whose recipient's profile is known by now: they can go, or never can."""
    if not letters:
        return
    states = [(letter, address_letter(recipient).state) for letter, recipient in letters]
    await Store(transaction.connection).address((letter.letter_id, state) for letter, state in states)
    unsendable = [letter.settled(state) for letter, state in states if state == State.NO_ADDRESS]
    if unsendable:
        await report(transaction, unsendable, ADDRESSES, metrics)
    await bell.ring(transaction.connection, PENDING)


def _tell_begun(told: Report, draft: Draft, message: Message) -> None:
    lane = _lane(message)
    counts = told.counts[draft.incident_id, lane]
    counts[_COUNTED_AS[message.type]] += 1
    counts["letters"] += 1
    if draft.drill:
        told.drills.add(draft.incident_id)
    if draft.state is State.PENDING:
        told.to_send = True
    elif draft.state is not State.WAITING:
        settled = SettledLetter(
            str(draft.letter_id), draft.incident_id, draft.customer_id, draft.kind, draft.state.value, draft.drill,
            draft.cancelled is not None,
        )  # fmt: skip
        told.settle([settled], lane)


def _draft(message: Message, recipient: Recipient | None, retracted: Mapping[str, int]) -> Draft:
    event = message.data
    kind: LetterKind = "announcement" if isinstance(event, AnnouncementRequested) else "details"
    state, cancelled = address_letter(recipient).state, None
    if state is not State.NO_ADDRESS and event.revision < retracted.get(event.incident_id, 0):
        state, cancelled = State.SUPPRESSED, Cancelled.RETRACTED
    return Draft(
        letter_id(event.incident_id, event.customer_id, kind), event.incident_id, event.customer_id, kind, state,
        cancelled, cancelled and cancelled.note, event.revision, event.drill, message.event_id, message.raw,
    )  # fmt: skip


def _matter(message: Message) -> Matter:
    return message.data.incident_id, message.data.customer_id


def _lane(message: Message) -> str:
    return f"p{message.record.partition}"


def _wanted(message: Message) -> Collection[LetterKind]:
    if isinstance(message.data, AnnouncementRequested):
        return ANNOUNCEMENT_ALONE
    letters: Collection[LetterKind] | None = message.data.letters
    return DETAILS_ALONE if letters is None else letters


def _wants_details(message: Message) -> bool:
    return message.data.letters is None or "details" in message.data.letters
