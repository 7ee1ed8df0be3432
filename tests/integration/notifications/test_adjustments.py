"""Billing's answers become letters: one per customer and incident, a correction for what comes after it has left."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from schemas import topics
from services.notifications.domain import letter_id
from tests.integration.notifications.builders import (
    INCIDENT,
    Notifications,
    adjusted,
    customers,
    declared,
    email_of,
    erased,
    profile,
    text_of,
)
from tests.integration.scripted_relay import Relay, relaying
from tests.integration.wire import until
from tests.unit.notifications.outcomes import addon, extension, voucher


async def test_each_customer_gets_one_details_letter(notifications: Notifications) -> None:
    await notifications.take(customers(profile("C1"), profile("C2")), adjusted("C1", "C2"))
    assert await notifications.letters() == [("C1", "details", "pending"), ("C2", "details", "pending")]
    assert [row[0] for row in await notifications.letters("letter_id")] == [
        letter_id(INCIDENT, customer, "details") for customer in ("C1", "C2")
    ]


async def test_two_incidents_are_two_letters(notifications: Notifications) -> None:
    await notifications.take(customers(profile("C1")), adjusted("C1"), adjusted("C1", incident_id="another"))
    assert await notifications.letters("kind", "state") == [("details", "pending")] * 2


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
async def test_the_same_answer_twice_is_one_letter_that_says_it_once(
    notifications: Notifications, together: bool
) -> None:
    first, second = adjusted("C1"), adjusted("C1")
    await notifications.take(customers(profile("C1")))
    await notifications.take(*([first + second] if together else [first, second]))
    assert await notifications.letters("kind", "state", "cardinality(events)") == [("details", "pending", 1)]
    totals = [r["totals"] for r in await notifications.reader.data(topics.PROGRESS)]
    assert totals[-1] == {"answers": 1, "letters": 1}


@pytest.mark.parametrize("seed", range(3))
async def test_answers_twice_and_shuffled_are_the_same_letters(notifications: Notifications, seed: int) -> None:
    ids = [f"C{n}" for n in range(10)]
    answers = [one for which in ("a", "b") for _ in range(2) for one in adjusted(*ids, which=which)]
    shuffle = random.Random(seed)
    shuffle.shuffle(answers)
    await notifications.take(customers(*map(profile, ids)))
    while answers:
        size = shuffle.randint(1, 12)
        await notifications.take(answers[:size])
        del answers[:size]
    letters = await notifications.letters("customer_id", "kind", "state", "events")
    assert [(customer, kind, state) for customer, kind, state, _ in letters] == [
        (customer, "details", "pending") for customer in ids
    ]
    for customer, _, _, told in letters:
        assert sorted(told) == [f"adjusted-{INCIDENT}-{customer}-{which}" for which in ("a", "b")]


async def test_answers_before_it_leaves_are_told_in_one_letter(
    notifications: Notifications, empty_folder: Path
) -> None:
    await notifications.take(declared(), customers(profile("C1")))
    await notifications.take(adjusted("C1", outcomes=[extension("K-1")]))
    await notifications.take(adjusted("C1", outcomes=[addon("K-2"), voucher()], which="later"))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("sent"))
    ((recipient, letter),) = relay.accepted
    assert recipient == email_of("C1")
    for own in ("K-1", "K-2", "7KQM-2XHD-94TB-WR6N-C"):
        assert own in text_of(letter)


async def test_what_comes_after_it_has_left_goes_into_a_correction(
    notifications: Notifications, empty_folder: Path
) -> None:
    await notifications.take(declared(), customers(profile("C1")), adjusted("C1", outcomes=[extension("K-1")]))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("sent"))
        late = adjusted("C1", outcomes=[extension("K-2")], which="late")
        await notifications.take(adjusted("C1", outcomes=[extension("K-1")]) + late)
        await until(lambda: notifications.all_are("sent"))
        await notifications.take(adjusted("C1", outcomes=[extension("K-2")], which="late"), late)
    assert await notifications.letters() == [("C1", "details", "sent"), ("C1", "correction", "sent")]
    first, second = (text_of(letter) for _, letter in relay.accepted)
    assert ("K-1" in first, "K-2" in first) == (True, False)
    assert ("K-1" in second, "K-2" in second) == (False, True)


async def test_what_comes_while_it_is_in_hand_goes_into_a_correction(notifications: Notifications) -> None:
    await notifications.take(customers(profile("C1")), adjusted("C1"))
    await notifications.pool.execute("UPDATE letter SET state = 'sending', claimed_by = 'w1', claimed_at = now()")
    await notifications.take(adjusted("C1", which="late"))
    assert await notifications.letters() == [("C1", "details", "sending"), ("C1", "correction", "pending")]


# ── Without an address ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("email", [None, "", "nowhere", "a@b", 'x@example.it"\r\nBcc: y@example.it'])
async def test_a_letter_without_a_usable_address_is_settled_at_once_and_said_so(
    notifications: Notifications, email: str | None
) -> None:
    await notifications.take(customers(profile("C1", email=email)), adjusted("C1"), adjusted("C1"))
    assert await notifications.letters() == [("C1", "details", "no_address")]
    assert await notifications.told() == [("C1", "details", "no_address")]


async def test_a_customer_who_was_forgotten_before_gets_no_letter(notifications: Notifications) -> None:
    await notifications.take(customers(profile("C1")), erased("C1"), adjusted("C1"))
    assert await notifications.told() == [("C1", "details", "no_address")]


async def test_a_letter_waits_for_a_profile_that_is_unknown(notifications: Notifications) -> None:
    await notifications.take(adjusted("C1"))
    assert await notifications.letters() == [("C1", "details", "waiting")]
    assert await notifications.told() == []
