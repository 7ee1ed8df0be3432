"""What becomes of a letter: before an attempt, after one, after a crash."""

from datetime import timedelta
from uuid import UUID

import pytest

from schemas import ids
from services.notifications.decide import Addressed, Mark, address_letter, recover, settle, wait_after
from services.notifications.domain import (
    Deferred,
    Failed,
    InDoubt,
    Recipient,
    Result,
    Sent,
    State,
    letter_id,
)

NEVER_STARTED, STARTED, ACCEPTED, REFUSED = (UUID(int=number) for number in range(1, 5))


def test_a_letter_waits_while_the_profile_is_unknown() -> None:
    assert address_letter(None) == Addressed(State.WAITING)


@pytest.mark.parametrize("email", [None, "", "nowhere", "a@b.it\r\nBcc: c@d.it"])
def test_a_letter_without_a_usable_address_is_counted_apart(email: str | None) -> None:
    assert address_letter(Recipient("C-1", "Mario", email)) == Addressed(State.NO_ADDRESS)


def test_a_letter_with_an_address_is_pending() -> None:
    assert address_letter(Recipient("C-1", None, "m@Example.it")) == Addressed(State.PENDING, "m@example.it")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("result", "attempts", "state", "wait"),
    [
        (Sent("250 ok"), 1, State.SENT, None),
        (Failed("550 no such user"), 1, State.FAILED, None),
        (InDoubt("connection lost"), 1, State.IN_DOUBT, None),
        (InDoubt("connection lost"), 99, State.IN_DOUBT, None),
        (Deferred("451 greylisted"), 1, State.PENDING, timedelta(seconds=5)),
        (Deferred("451 greylisted"), 3, State.PENDING, timedelta(seconds=20)),
        (Deferred("451 greylisted"), 9, State.PENDING, timedelta(seconds=1280)),
        (Deferred("451 greylisted"), 10, State.FAILED, None),
        (Deferred("refused", tried=False), 10, State.PENDING, timedelta(minutes=30)),
    ],
)
def test_an_attempt_moves_a_letter_on(result: Result, attempts: int, state: State, wait: timedelta | None) -> None:
    settled = settle(result, attempts)
    assert (settled.state, settled.wait) == (state, wait)
    assert result[0] in settled.note


def test_the_wait_doubles_up_to_half_an_hour() -> None:
    waits = [wait_after(attempts) for attempts in (1, 2, 3, 10, 10_000)]
    assert waits == [timedelta(seconds=s) for s in (5, 10, 20, 1800, 1800)]


def test_after_a_crash_only_what_was_started_without_a_reply_is_in_doubt() -> None:
    marks = {STARTED: Mark.STARTED, ACCEPTED: Mark.ACCEPTED, REFUSED: Mark.REFUSED, UUID(int=99): Mark.STARTED}
    assert recover([NEVER_STARTED, STARTED, ACCEPTED, REFUSED], marks) == {
        NEVER_STARTED: State.PENDING,
        STARTED: State.IN_DOUBT,
        ACCEPTED: State.SENT,
        REFUSED: State.PENDING,
    }


def test_without_a_journal_every_claimed_letter_is_in_doubt() -> None:
    assert recover([STARTED, ACCEPTED], None) == {STARTED: State.IN_DOUBT, ACCEPTED: State.IN_DOUBT}


def test_a_letter_has_the_same_id_in_every_replay_and_another_for_every_kind() -> None:
    first = letter_id("i", "c", "details")
    assert first.version == 5
    assert first == letter_id("i", "c", "details")
    assert str(first) == ids.letter_id("i", "c", "details"), "the id that consumers can work out for themselves"
    others = {
        letter_id("i", "c", "correction"),
        letter_id("i", "c", "correction", "entry"),
        letter_id("ic", "", "details"),
        letter_id("i", "c2", "details"),
        letter_id("i2", "c", "details"),
    }
    assert len(others | {first}) == 6
