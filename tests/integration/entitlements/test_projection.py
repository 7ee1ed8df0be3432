"""The projection: who holds which contract, as the topic tells it, whatever the order and however often."""

from __future__ import annotations

import itertools
import random
from datetime import date
from decimal import Decimal
from typing import Any

import orjson
import pytest

from tests.integration.entitlements.builders import Entitlements, dedicated, gone, hosting, told


async def projection(entitlements: Entitlements) -> list[tuple[Any, ...]]:
    rows = await entitlements.pool.fetch("SELECT contract_id, customer_id, version, ends_on FROM contract ORDER BY 1")
    return [tuple(row) for row in rows]


async def test_a_contract_is_kept_with_all_that_a_decision_needs(entitlements: Entitlements) -> None:
    gift = {"addon_id": "A1", "product": "gigamail", "starts_on": "2011-05-13", "ends_on": "2012-05-13"}
    await entitlements.take(
        told(
            hosting(
                "K1",
                "C1",
                ends_on="2011-12-01",
                terminated_on="2011-11-01",
                monthly_fee={"amount": "9.90", "currency": "EUR"},
                addons=["business-mail", "backup"],
                attributes={"includes_email": True, "time_zone": "Europe/Lisbon"},
                complimentary=[gift, gift | {"addon_id": "A2", "product": "business-mail"}],
                version=7,
            )
        )
    )
    kept = dict(await entitlements.pool.fetchrow("SELECT * FROM contract"))
    assert kept == {
        "contract_id": "K1",
        "customer_id": "C1",
        "family": "hosting",
        "product": "hosting-linux",
        "site": "arezzo",
        "starts_on": date(2010, 1, 1),
        "ends_on": date(2011, 12, 1),
        "terminated_on": date(2011, 11, 1),
        "monthly_fee": Decimal("9.90"),
        "currency": "EUR",
        "addons": ["business-mail", "backup"],
        "attributes": {"includes_email": True, "time_zone": "Europe/Lisbon"},
        "complimentary": [["gigamail", "2011-05-13", "2012-05-13"], ["business-mail", "2011-05-13", "2012-05-13"]],
        "version": 7,
    }


async def test_a_contract_without_anything_optional_is_kept_too(entitlements: Entitlements) -> None:
    await entitlements.take(told(dedicated("K1", "C1", site=None)))
    kept = dict(await entitlements.pool.fetchrow("SELECT * FROM contract"))
    assert (kept["site"], kept["ends_on"], kept["monthly_fee"]) == (None, None, None)
    assert (kept["addons"], kept["attributes"], kept["complimentary"], kept["version"]) == ([], {}, [], 0)


@pytest.mark.parametrize("order", [*itertools.permutations((1, 2, 3))])
@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
async def test_the_higher_version_stays_whatever_the_order(
    entitlements: Entitlements, order: tuple[int, ...], together: bool
) -> None:
    tellings = [told(dedicated("K1", f"C{version}", version=version)) for version in order]
    await entitlements.take(*([[one for telling in tellings for one in telling]] if together else tellings))
    assert await projection(entitlements) == [("K1", "C3", 3, None)]


async def test_of_one_version_the_last_telling_stays(entitlements: Entitlements) -> None:
    await entitlements.take(told(dedicated("K1", "C1")), told(dedicated("K1", "C2"), dedicated("K1", "C3")))
    assert await projection(entitlements) == [("K1", "C3", 0, None)]


@pytest.mark.parametrize("seed", range(4))
async def test_every_telling_twice_and_shuffled_gives_the_same(entitlements: Entitlements, seed: int) -> None:
    tellings = [
        dedicated(f"K{n}", f"C{n % 7}", version=version, ends_on=f"2011-12-{version + 1:02}")
        for n in range(20)
        for version in range(4)
    ] * 2
    shuffle = random.Random(seed)
    shuffle.shuffle(tellings)
    while tellings:
        size = shuffle.randint(1, 40)
        await entitlements.take(told(*tellings[:size]))
        del tellings[:size]
    expected = sorted((f"K{n}", f"C{n % 7}", 3, date(2011, 12, 4)) for n in range(20))
    assert await projection(entitlements) == expected


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
async def test_a_tombstone_removes_a_contract_and_no_other(entitlements: Entitlements, together: bool) -> None:
    batches = [told(dedicated("K1", "C1"), dedicated("K2", "C1")), gone("K1", "K-unknown")]
    await entitlements.take(*([batches[0] + batches[1]] if together else batches))
    assert [contract for contract, *_ in await projection(entitlements)] == ["K2"]


async def test_a_contract_that_is_told_again_after_its_tombstone_is_there(entitlements: Entitlements) -> None:
    again = told(dedicated("K1", "C2"))
    await entitlements.take(told(dedicated("K1", "C1")), gone("K1") + again)
    assert await projection(entitlements) == [("K1", "C2", 0, None)]


async def test_a_contract_that_cannot_be_read_costs_the_others_nothing(entitlements: Entitlements) -> None:
    bad = dedicated("K2", "C2") | {"starts_on": "yesterday"}
    await entitlements.take(told(dedicated("K1", "C1"), bad, dedicated("K4", "C4")))
    assert [contract for contract, *_ in await projection(entitlements)] == ["K1", "K4"]
    kept = await entitlements.pool.fetchrow("SELECT key, value, reason FROM quarantine")
    assert (kept["key"], orjson.loads(kept["value"])) == (b"K2", bad)
    assert "starts_on" in kept["reason"]
