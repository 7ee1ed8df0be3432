"""What notifications does with a batch: it keeps profiles and incidents, and makes billing's answers into letters.

Sending is the sender's; the runtime does the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from schemas import topics
from schemas.events import IncidentDeclared, IncidentResolved
from services.notifications import messages
from services.notifications.decide import address_letter
from services.notifications.domain import Recipient, SettledLetter, State, letter_id
from services.notifications.store import Draft, NewsOf, Store, Unsent
from services.runtime import bell, tally
from services.runtime.envelope import Message
from services.runtime.work import Transaction

PENDING = "letter"
"""The bell: there are letters to send."""

_AT_A_TIME = 1_000


async def adjustments(batch: Sequence[Message], transaction: Transaction) -> None:
    """One details letter per customer and incident; what is added after it has left goes into a correction."""
    store = Store(transaction.connection)
    recipients = await store.recipients(message.data.customer_id for message in batch)
    drafts = [_draft(message, recipients.get(message.data.customer_id)) for message in batch]
    written = await store.add(drafts)
    left = [draft for draft in drafts if draft.event_id not in written]
    if left:
        told = await store.told([draft.letter_id for draft in left])
        written |= await store.add(
            [_correction(draft) for draft in left if (draft.letter_id, draft.event_id) not in told]
        )
    lanes = {message.event_id: f"p{message.record.partition}" for message in batch}
    await _report_new(transaction, written, lanes)


def _draft(message: Message, recipient: Recipient | None) -> Draft:
    event = message.data
    letter = letter_id(event.incident_id, event.customer_id, "details")
    state = address_letter(recipient).state
    return Draft(letter, event.incident_id, event.customer_id, "details", state, message.event_id, message.raw)


def _correction(late: Draft) -> Draft:
    """The same news as a letter of its own: the details have left."""
    letter = letter_id(late.incident_id, late.customer_id, "correction", late.event_id)
    return late._replace(letter_id=letter, kind="correction")


async def _report_new(transaction: Transaction, written: Mapping[str, NewsOf], lanes: Mapping[str, str]) -> None:
    """Count what came in, ring for the letters that can be sent, settle those that cannot."""
    counts: dict[tally.Lane, dict[str, int]] = defaultdict(lambda: {"answers": 0, "letters": 0})
    for event_id, (draft, is_new) in written.items():
        count = counts[draft.incident_id, lanes[event_id]]
        count["answers"] += 1
        count["letters"] += is_new
    if counts:
        totals = await tally.add(transaction.connection, counts)
        transaction.publish(topics.PROGRESS, messages.progress(totals))
    unsendable = [
        SettledLetter(str(draft.letter_id), draft.incident_id, draft.customer_id, draft.kind, draft.state.value)
        for draft, is_new in written.values()
        if is_new and draft.state == State.NO_ADDRESS
    ]
    if unsendable:
        await report(transaction, unsendable, "addresses")
    await bell.ring(transaction.connection, PENDING)


async def customers(batch: Sequence[Message], transaction: Transaction) -> None:
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
    await address(letters, transaction)


async def address_waiting(transaction: Transaction) -> None:
    """Letters that wait for a profile that is there by now can go."""
    await address(await Store(transaction.connection).addressable(_AT_A_TIME), transaction)


async def address(letters: Sequence[tuple[Unsent, Recipient]], transaction: Transaction) -> None:
    """Letters whose recipient's profile is known by now: they can go, or never can."""
    if not letters:
        return
    states = [(letter, address_letter(recipient).state) for letter, recipient in letters]
    await Store(transaction.connection).address((letter.letter_id, state) for letter, state in states)
    unsendable = [
        SettledLetter(letter.letter_id, letter.incident_id, letter.customer_id, letter.kind, state.value)
        for letter, state in states
        if state == State.NO_ADDRESS
    ]
    if unsendable:
        await report(transaction, unsendable, "addresses")
    await bell.ring(transaction.connection, PENDING)


async def report(transaction: Transaction, settled: Sequence[SettledLetter], lane: str) -> None:
    """Count letters that have come to their end, and say so."""
    counts: dict[tally.Lane, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for letter in settled:
        counts[letter.incident_id, lane][letter.state] += 1
    totals = await tally.add(transaction.connection, counts)
    transaction.publish(topics.LETTERS, messages.settled(settled))
    transaction.publish(topics.PROGRESS, messages.progress(totals))


async def incidents(batch: Sequence[Message], transaction: Transaction) -> None:
    """Keep what was declared: a letter names what happened."""
    store = Store(transaction.connection)
    for message in batch:
        if isinstance(message.data, IncidentDeclared):
            await store.save_incident(message.data)
        elif isinstance(message.data, IncidentResolved):
            await store.resolve_incident(message.data)
    await bell.ring(transaction.connection, PENDING)
