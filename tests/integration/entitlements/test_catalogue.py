"""Published policies are immutable: a change is a new version, and the old one stays runnable."""

from __future__ import annotations

import pytest

from schemas import topics
from services.entitlements.catalogue import Catalogue
from services.entitlements.policy import Policies, load_policies
from services.entitlements.policy_errors import PolicyError
from tests.integration.entitlements.builders import Entitlements, declared, dedicated, said, told
from tests.integration.entitlements.test_orders import CREDIT

TEXT = CREDIT.format(more="")


async def test_a_policy_is_published_once_and_told_once(entitlements: Entitlements) -> None:
    await entitlements.publish(TEXT)
    await entitlements.publish(TEXT)
    told_policies = [event["policy"] for event in await entitlements.reader.data(topics.POLICIES)]
    assert sorted(told_policies) == sorted([*load_policies(), "credit@1"])


async def test_a_file_that_says_something_else_under_a_published_name_stops_the_service(
    entitlements: Entitlements,
) -> None:
    await entitlements.publish(TEXT)
    with pytest.raises(PolicyError, match=r"write what has changed as credit@2\.yaml"):
        await entitlements.publish(TEXT.replace("2.00", "3.00"))


async def test_comments_and_spacing_are_no_change(entitlements: Entitlements) -> None:
    await entitlements.publish(TEXT)
    await entitlements.publish("# a comment\n" + TEXT.replace("\n", "\n\n"))


async def test_a_policy_whose_file_is_gone_is_still_run(entitlements: Entitlements) -> None:
    await entitlements.publish(TEXT)
    await entitlements.take(told(dedicated("K1", "C1")))
    entitlements.catalogue = Catalogue(Policies({}))
    await entitlements.publish()
    await entitlements.take(declared(said(policy="credit@1")))
    await entitlements.cut()
    await entitlements.decide()
    assert len(await entitlements.entries()) == 1


async def test_once_the_outbox_has_let_go_of_them_policies_are_said_anew_from_the_table(
    entitlements: Entitlements,
) -> None:
    await entitlements.publish(TEXT)
    before = await entitlements.reader.data(topics.POLICIES)
    await entitlements.pool.execute("UPDATE outbox SET created_at = now() - interval '91 days'")
    await entitlements.workbench.relay.prune()
    entitlements.workbench.relay.restate = Catalogue(Policies({})).restate
    assert [count async for count in entitlements.workbench.relay.republish()] == [len(before)]
    told_policies = await entitlements.reader.data(topics.POLICIES)
    assert {told_policies.count(policy) for policy in before} == {2}
