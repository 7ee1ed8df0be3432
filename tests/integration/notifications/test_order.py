"""Any order and repetition of a customer's news gives the same letters in the real database, while none has left."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.notifications.builders import (
    Notifications,
    adjusted,
    amended,
    announced,
    customers,
    declared,
    profile,
    retracted,
    reversed_,
)
from tests.integration.wire import Arrived
from tests.unit.notifications.outcomes import addon, extension, refused, remedy, reversal, voucher

ENTRIES = {"e1": "extension", "e2": "addon", "e3": "voucher"}
OUTCOMES = {"e1": extension(), "e2": addon(), "e3": voucher()}
HAPPENS = [None, "honoured", "used", "redeemed"]


def story(wanted: list[str], second: list[str], withdrawn: dict[str, str | None], ends: str) -> list[list[Arrived]]:
    """What comes of an incident that was amended, narrowed, and perhaps taken back or reopened."""
    wish: dict[str, Any] = {} if wanted == ["details"] else {"letters": wanted}
    told: list[list[Arrived]] = [declared(), amended(2, title="Wider")]
    for revision, part in ((1, [entry for entry in ENTRIES if entry not in second]), (2, second)):
        outcomes = [OUTCOMES[entry] for entry in part] + [refused(contract=f"K-{revision}")]
        told.append(adjusted("C1", outcomes=outcomes, which=str(revision), revision=revision, **wish))
        if "announcement" in wanted:
            owed = [remedy(ENTRIES[entry], entry) for entry in part] + [remedy(entry=f"f{revision}")]
            told.append(announced("C1", remedies=owed, revision=revision))
    if withdrawn:
        parts = [reversal(ENTRIES[entry], entry, reason) for entry, reason in sorted(withdrawn.items())]
        told.append(reversed_("C1", reversals=parts, revision=3, **wish))
    if ends != "stands":
        told.append(retracted(3))
    if ends == "reopened":
        told.append(amended(4, title="Reopened"))
    return told


async def written(notifications: Notifications, batches: list[list[Arrived]]) -> tuple[Any, ...]:
    """The letters after these batches, and what those say that can leave."""
    await notifications.pool.execute("TRUNCATE letter, incident, revision, tally, outbox")
    await notifications.take(*batches)
    await notifications.see_to_retractions()
    rows = await notifications.letters("letter_id", "kind", "state", "cancelled", "revision", "events", "news")
    return rows, await notifications.texts()


async def test_any_order_and_repetition_of_a_customers_news_gives_the_same_letters(
    notifications: Notifications,
) -> None:
    await notifications.take(customers(profile("C1")))
    loop = asyncio.get_running_loop()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from([["details"], ["announcement", "details"], ["announcement"]]),
        st.lists(st.sampled_from(sorted(ENTRIES)), unique=True),
        st.dictionaries(st.sampled_from(sorted(ENTRIES)), st.sampled_from(HAPPENS)),
        st.sampled_from(["stands", "retracted", "reopened"]),
        st.randoms(use_true_random=False),
    )
    def same(wanted: list[str], second: list[str], withdrawn: dict[str, str | None], ends: str, chance: Any) -> None:
        events = story(wanted, second, withdrawn, ends)
        shuffled = [*events, *chance.sample(events, chance.randint(0, len(events)))]
        chance.shuffle(shuffled)

        async def both() -> tuple[Any, Any]:
            return await written(notifications, events), await written(notifications, shuffled)

        straight, mixed = asyncio.run_coroutine_threadsafe(both(), loop).result(60)
        assert mixed == straight

    await asyncio.to_thread(same)


async def test_a_declaration_under_a_policy_that_is_none_makes_way_for_one_that_can_be_run(
    notifications: Notifications,
) -> None:
    """Entitlements has refused the first, and decided by the second: its letters must be able to leave."""
    await notifications.take(customers(profile("C1")), declared(policy="mistyped@1"), declared(title="Under a policy"))
    await notifications.take(adjusted("C1"))
    assert len(await notifications.texts()) == 1
    await notifications.take(declared(title="Another body"))
    assert await notifications.pool.fetch("SELECT title FROM incident") == [("Under a policy",)]
