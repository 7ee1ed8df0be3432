"""The decisions about a letter, as pure functions of values.

What state a new letter is in, what becomes of it after an attempt, and what is known of it after a crash. Leaves
the reading of addresses to `addresses`, and all storing and sending to others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple, assert_never
from uuid import UUID

from services.notifications.addresses import usable
from services.notifications.domain import Address, Deferred, Failed, InDoubt, Recipient, Result, Sent, State

ATTEMPTS_AT_MOST = 10
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=30)


class Addressed(NamedTuple):
    """The state a letter is in before any attempt, and the address it will go to if it can be sent."""

    state: State
    address: Address | None = None


class Settled(NamedTuple):
    """What an attempt made of a letter: its state, how long to wait if it is tried again, and the reason.

    `tried` is false if it was no attempt at all: it is not counted.
    """

    state: State
    wait: timedelta | None
    note: str
    tried: bool = True


class Mark(StrEnum):
    """The last thing a sender's journal says of a letter."""

    STARTED = "started"
    ACCEPTED = "accepted"
    REFUSED = "refused"


def address_letter(recipient: Recipient | None) -> Addressed:
    """Whether a letter can go: waiting while the profile is unknown, no_address, or pending with its address."""
    if recipient is None:
        return Addressed(State.WAITING)
    address = usable(recipient.email)
    if address is None:
        return Addressed(State.NO_ADDRESS)
    return Addressed(State.PENDING, address)


def settle(result: Result, attempts: int, attempts_at_most: int = ATTEMPTS_AT_MOST) -> Settled:
    """What an attempt makes of a letter; `attempts` counts this one too.

    A deferred letter is pending again after a wait that doubles (5 s, 10 s, … 30 min), and failed after the last
    attempt; that a relay could not be reached is no attempt. A letter in doubt stays so: it is never sent again by
    itself.
    """
    match result:
        case Sent(reply):
            return Settled(State.SENT, None, reply)
        case Failed(reply):
            return Settled(State.FAILED, None, reply)
        case InDoubt(reason):
            return Settled(State.IN_DOUBT, None, reason)
        case Deferred(reason, tried) if tried and attempts >= attempts_at_most:
            return Settled(State.FAILED, None, f"gave up after {attempts} attempts: {reason}")
        case Deferred(reason, tried):
            return Settled(State.PENDING, wait_after(attempts), reason, tried)
        case _:
            assert_never(result)


def wait_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts."""
    doublings = min(max(attempts - 1, 0), 30)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def recover(claimed: Iterable[UUID], marks: Mapping[UUID, Mark] | None) -> dict[UUID, State]:
    """What is known of the letters that a dead sender had claimed, from its journal (None: it is gone).

    Never started: safe to send, pending. Started without a reply: in doubt, at most one per connection.
    Accepted: sent. Refused: pending, as the reply's words died with the sender and another attempt hears them again.
    Without a journal all of them are in doubt.
    """
    if marks is None:
        return dict.fromkeys(claimed, State.IN_DOUBT)
    return {letter: _AFTER_A_CRASH[marks.get(letter)] for letter in claimed}


_AFTER_A_CRASH = {
    None: State.PENDING,
    Mark.STARTED: State.IN_DOUBT,
    Mark.ACCEPTED: State.SENT,
    Mark.REFUSED: State.PENDING,
}
