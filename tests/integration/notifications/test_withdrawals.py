"""What is no longer owed: dropped from what has not left, taken back in a correction from what has."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from schemas import topics
from services.notifications.decide import Settled
from services.notifications.domain import State, letter_id
from services.notifications.news import read
from services.notifications.store import Store
from services.runtime.errors import Conflict
from tests.integration.notifications.builders import (
    INCIDENT,
    Notifications,
    adjusted,
    announced,
    customers,
    declared,
    profile,
    reversed_,
    text_of,
)
from tests.integration.scripted_relay import Answer, Relay, Verb, relaying
from tests.integration.wire import until
from tests.unit.notifications.outcomes import extension, reversal, voucher

CODE = "7KQM-2XHD-94TB-WR6N-C"


@pytest.fixture
async def two(notifications: Notifications) -> Notifications:
    """Two customers with a letter of two outcomes each."""
    people = [profile(who, locale="en") for who in ("C1", "C2")]
    await notifications.take(declared(), customers(*people), adjusted("C1", "C2"))
    return notifications


async def test_what_was_taken_back_is_not_in_the_letter_that_leaves(two: Notifications, empty_folder: Path) -> None:
    await two.take(reversed_("C1", reversals=[reversal("voucher", "e3")]))
    async with relaying(Relay()) as relay, two.sending(relay.port, empty_folder):
        await until(lambda: two.all_are("sent"))
    texts = {recipient: text_of(letter) for recipient, letter in relay.accepted}
    assert len(texts) == 2
    assert (CODE in texts["c1@example.it"], CODE in texts["c2@example.it"]) == (False, True)
    assert "K-1" in texts["c1@example.it"]


async def test_a_letter_with_nothing_left_is_cancelled_said_so_and_never_sent(
    two: Notifications, empty_folder: Path
) -> None:
    await two.take(reversed_("C1", reversals=[reversal(), reversal("voucher", "e3")]))
    async with relaying(Relay()) as relay, two.sending(relay.port, empty_folder):
        await until(lambda: two.all_are("sent", "suppressed"))
    assert [recipient for recipient, _ in relay.accepted] == ["c2@example.it"]
    (first, _) = await two.letters("state", "cancelled", "note", "settled_at IS NULL")
    assert first[:2] == ("suppressed", "withdrawn")
    assert "withdrawn before the letter left" in first[2]
    assert first[3] is False
    assert await two.told() == [("C1", "details", "suppressed"), ("C2", "details", "sent")]


async def test_a_cancelled_letter_comes_back_with_what_is_new_and_the_totals_stay_even(
    two: Notifications, empty_folder: Path
) -> None:
    await two.take(reversed_("C1", "C2", reversals=[reversal(), reversal("voucher", "e3")]))
    assert await two.states() == {"suppressed": 2}
    again = extension("K-5", entry_id="e5", ends_on={"before": "2011-12-01", "after": "2011-12-06"})
    await two.take(adjusted("C1", outcomes=[again], which="again", revision=3))
    async with relaying(Relay()) as relay, two.sending(relay.port, empty_folder):
        await until(lambda: two.all_are("sent", "suppressed"))
    ((_, letter),) = relay.accepted
    assert ("K-5" in text_of(letter), "K-1" in text_of(letter)) == (True, False)
    totals = dict(await two.pool.fetch("SELECT name, sum(total) FROM tally GROUP BY name"))
    assert totals["letters"] == totals["suppressed"] + totals["sent"] == 3


async def test_what_was_told_is_taken_back_in_one_correction(two: Notifications, empty_folder: Path) -> None:
    async with relaying(Relay()) as relay, two.sending(relay.port, empty_folder):
        await until(lambda: two.all_are("sent"))
        back = reversed_("C1", reversals=[reversal(), reversal("voucher", "e3")])
        await two.take(back, back)
        await until(lambda: two.all_are("sent"))
        await two.take(reversed_("C1", reversals=[reversal(), reversal("voucher", "e3")]))
    assert await two.letters() == [
        ("C1", "details", "sent"),
        ("C1", "correction", "sent"),
        ("C2", "details", "sent"),
    ]
    correction = text_of(relay.accepted[2][1])
    for said in ("we are sorry", "contract K-1", "end date again: 1 December 2011", f"code {CODE} is no longer valid"):
        assert said in correction


async def test_what_was_only_announced_is_taken_back_too_and_the_details_say_less(two: Notifications) -> None:
    await two.take(announced("C1"))
    await two.leave(kind="announcement")
    await two.take(reversed_("C1", reversals=[reversal()], letters=["announcement", "details"]))
    texts = await two.texts()
    assert "K-1" not in texts["C1", "details"]
    assert "without the 15 added days" in texts["C1", "correction"]


async def test_what_was_redeemed_stays_and_nobody_is_written_to(two: Notifications) -> None:
    await two.leave()
    await two.take(reversed_("C1", reversals=[reversal("voucher", "e3", "redeemed")]))
    assert await two.states() == {"sent": 2}
    await two.take(reversed_("C1", reversals=[reversal(), reversal("voucher", "e3", "redeemed")], which="more"))
    assert "you have used it, and it stays yours" in (await two.texts())["C1", "correction"]


@pytest.mark.parametrize("is_told", [True, False])
async def test_what_is_honoured_goes_on_where_it_was_announced_and_ends_where_it_was_not(
    two: Notifications, is_told: bool
) -> None:
    wanted: dict[str, Any] = {"letters": ["announcement", "details"]}
    await two.take(announced("C1"))
    if is_told:
        await two.leave(kind="announcement")
    stands = [reversal(reason="honoured"), reversal("voucher", "e3", "honoured")]
    await two.take(reversed_("C1", reversals=stands, **wanted))
    states = [state for customer, _, state in await two.letters() if customer == "C1"]
    assert states == (["pending", "sent"] if is_told else ["suppressed", "suppressed"])


async def test_a_reversal_before_its_answer_is_remembered(notifications: Notifications) -> None:
    await notifications.take(customers(profile("C1")), reversed_("C1", reversals=[reversal()]))
    assert await notifications.letters() == [("C1", "details", "suppressed")]
    await notifications.take(adjusted("C1", outcomes=[extension()]))
    assert await notifications.letters() == [("C1", "details", "suppressed")]
    await notifications.take(adjusted("C1", outcomes=[voucher()], which="more"))
    assert await notifications.letters() == [("C1", "details", "pending")]


async def test_a_letter_in_hand_that_comes_back_drops_what_was_taken_back_meanwhile(
    two: Notifications, empty_folder: Path
) -> None:
    """It is on the wire when the reversal comes, so a correction is begun; then the relay does not take it."""
    later = False

    def script(verb: Verb, _: str) -> Answer | None:
        return "451 4.7.1 greylisted" if verb == "message" and not later else None

    await two.leave("sending")
    await two.take(reversed_("C1", reversals=[reversal("voucher", "e3")]))
    assert [kind for _, kind, _ in await two.letters()] == ["details", "correction", "details"]
    await two.pool.execute("UPDATE letter SET state = 'pending', claimed_by = NULL WHERE kind = 'details'")
    await two.pool.execute("UPDATE letter SET due_at = now() + interval '1 hour' WHERE kind = 'correction'")
    async with relaying(Relay(script)) as relay, two.sending(relay.port, empty_folder):
        await until(lambda: tried(two))
        later = True
        await two.hurry()
        await until(lambda: two.all_are("sent", "suppressed"))
    assert [state for *_, state in await two.letters()] == ["sent", "suppressed", "sent"]
    texts = {recipient: text_of(letter) for recipient, letter in relay.accepted}
    assert (CODE in texts["c1@example.it"], CODE in texts["c2@example.it"]) == (False, True)


async def tried(notifications: Notifications) -> bool:
    return all(n == 1 for (n,) in await notifications.letters("attempts + (kind = 'correction')::integer"))


async def test_a_letter_begun_by_somebody_else_meanwhile_is_not_written_over(two: Notifications) -> None:
    """Another worker's commit between the reading and the writing: everything is looked at again."""

    async def race(transaction: object) -> None:
        store = Store(transaction.connection)  # type: ignore[attr-defined]
        found = await store.correspondences({(INCIDENT, "C3")}, {}, {})
        await two.take(adjusted("C3"))
        for correspondence in found.values():
            body = b'{"revision": 1, "outcomes": []}'
            correspondence.hear(read("another", body))
        await store.save(found.values())

    with pytest.raises(Conflict):
        await two.workbench.run(race)
    (events,) = [events for customer, events in await two.letters("customer_id", "events") if customer == "C3"]
    assert events == [f"adjusted-{INCIDENT}-C3-"]


async def test_what_comes_back_to_be_sent_is_settled_as_it_was_where_nothing_was_taken_back(
    two: Notifications,
) -> None:
    await two.leave("sending")
    letters = [letter_id(INCIDENT, who, "details") for who in ("C1", "C2")]
    back = [(letter, Settled(State.PENDING, timedelta(0), "later", tried=False)) for letter in letters]
    sender, _ = two.sender(9, journal=None)  # type: ignore[arg-type]
    await two.workbench.run(partial(sender._record, back))
    assert await two.states() == {"pending": 2}
    assert await two.reader.data(topics.LETTERS) == []
