"""The language of policies: every construct as it is read, every field as it is refused, and a policy as it is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.entitlements.domain import Period
from services.entitlements.policy import (
    SHIPPED,
    Amount,
    Policy,
    load_policies,
    parse_policy,
    parse_policy_text,
    policy_from_body,
)
from services.entitlements.policy_errors import PolicyError
from services.entitlements.policy_fields import Duration, Share, read_length, written_length, written_share
from tests.unit.entitlements.builders import ARUBA, ARUBA_TEXT
from tests.unit.entitlements.every_construct import BAD, EVERY, KEY


def every(right: str = "", wrong: str = "") -> Policy:
    assert right in EVERY
    return parse_policy(EVERY.replace(right, wrong, 1), f"{KEY}.yaml")


def eur(amount: str) -> Amount:
    return Amount(amount=Decimal(amount), currency="EUR")


# ── as it is read ────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_condition_is_read() -> None:
    when = every().rules[0].when
    assert when.attributes == {"tier": ("gold", "silver"), "managed": True, "cores": 8}
    assert when.addons == ("backup",)
    assert when.outage
    assert (when.outage.at_least, when.outage.less_than) == (timedelta(minutes=90), timedelta(days=2))
    assert when.tenure
    assert (when.tenure.at_least, when.tenure.less_than) == (Period(1, "year"), Period(120, "month"))
    assert when.monthly_fee
    assert (when.monthly_fee.currency, when.monthly_fee.at_least) == ("EUR", Decimal("10.00"))


def test_a_remedy_by_the_outage_has_its_unit_its_grace_and_its_cap() -> None:
    credit = every().rules[0].give.credit
    assert credit
    assert (credit.per, credit.after, credit.at_most) == ("started hour", timedelta(hours=2), Decimal("0.5"))
    extension = every().rules[1].give.extension
    assert extension
    assert (extension.per, extension.after, extension.at_most) == ("started day", timedelta(0), 30)
    capped = every('at_most: "50 %"', 'at_most: {amount: "5", currency: EUR}').rules[0].give.credit
    assert capped
    assert capped.at_most == eur("5.00")


def test_bands_go_by_availability_or_by_the_outage() -> None:
    credit, extension = every().rules[2].give.credit, every().rules[3].give.extension
    assert credit
    assert [(b.availability_below, b.share, b.amount) for b in credit.bands] == [
        (Decimal("0.999"), Decimal("0.1"), None),
        (Decimal("0.99"), None, eur("40.00")),
    ]
    assert extension
    assert [(b.outage and b.outage.at_least, b.days) for b in extension.bands] == [
        (timedelta(hours=4), 1),
        (timedelta(days=1), 7),
    ]


def test_what_is_refused_has_a_substitute_by_reason() -> None:
    same, voucher = every().rules[1].if_refused
    assert same.reasons == ("terminated", "expired")
    assert same.give.credit
    assert same.give.credit.same_worth
    assert voucher.give.voucher
    assert voucher.give.voucher.share == Decimal("0.055")


def test_rules_stand_to_each_other_and_to_other_incidents() -> None:
    first, *_, last = every().rules
    assert last.unless == ("lost-hours", "lost-days")
    assert (first.across_incidents, last.across_incidents) == ("each", "merged")


def test_the_whole_has_letters_budget_canary_and_what_becomes_of_it() -> None:
    policy = every()
    assert policy.letters == ("announcement", "details")
    assert policy.texts["en"]["correction"] == "It has changed."
    assert [(b.currency, b.ceiling, b.approval_above) for b in policy.budget] == [
        ("EUR", Decimal("1000.00"), Decimal("0.2")),
        ("USD", Decimal("10.00"), None),
    ]
    assert policy.canary
    assert (policy.canary.customers, policy.canary.then) == (1000, timedelta(minutes=30))
    assert (policy.when_narrowed, policy.approval_valid_for) == ("reverse", timedelta(hours=12))


@pytest.mark.parametrize("canary", ["1000", "{customers: 1000}", "{customers: 1000, then: approval}"])
def test_a_canary_that_is_a_number_waits_for_approval(canary: str) -> None:
    policy = every("canary: {customers: 1000, then: 30 minutes}", f"canary: {canary}")
    assert policy.canary
    assert (policy.canary.customers, policy.canary.then) == (1000, "approval")


def test_a_policy_that_says_no_more_than_it_must_honours_and_asks_nobody() -> None:
    policy = parse_policy_text("{name: a, version: 1, title: A, time_zone: UTC, rules: [{rule: r, per: contract, "
                               "give: {extension: {days: 1}}}]}")  # fmt: skip
    assert (policy.letters, policy.texts, policy.budget, policy.canary) == (("details",), {}, (), None)
    assert (policy.when_narrowed, policy.approval_valid_for) == ("honour", timedelta(days=1))
    assert (policy.rules[0].across_incidents, policy.rules[0].unless, policy.rules[0].if_refused) == ("merged", (), ())


def test_approval_may_be_wanted_always() -> None:
    policy = every('approval_above: "20 %"', 'approval_above: "0 %"')
    assert policy.budget[0].approval_above == 0
    assert policy_from_body(policy.body()) == policy


# ── as it is refused ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("right", "wrong", "told"), BAD, ids=[told[:70] for _, _, told in BAD])
def test_a_bad_field_is_told_the_path_the_value_and_what_would_be_right(right: str, wrong: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        every(right, wrong)
    assert f"{KEY}.yaml: {told}" in caught.value.problems


def test_problems_between_rules_are_all_told() -> None:
    text = EVERY.replace("unless: [lost-hours, lost-days]", "unless: [nobody]").replace("rule: tiers", "rule: gift")
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, f"{KEY}.yaml")
    assert [line.split(": ")[1] for line in caught.value.problems] == ["rules[4].rule", "rules[5].unless[0]"]


# ── as it is kept ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("policy", [every(), *load_policies().values()], ids=lambda policy: str(policy.key))
def test_the_published_body_makes_the_same_policy(policy: Policy) -> None:
    kept = orjson.loads(orjson.dumps(policy.body()))
    again = policy_from_body(kept)
    assert again == policy
    assert again.digest == policy.digest
    assert again.body() == policy.body()


def test_the_body_is_written_as_a_file_is() -> None:
    body = every().body()
    assert body["canary"] == {"customers": 1000, "then": "30 minutes"}
    assert body["budget"][0] == {"currency": "EUR", "ceiling": "1000.00", "approval_above": "20 %"}
    assert body["rules"][0]["give"]["credit"]["at_most"] == "50 %"
    assert body["rules"][0]["when"]["tenure"] == {"at_least": "1 year", "less_than": "120 months"}
    assert body["rules"][4]["if_owned"]["instead"] == {"addon": {"product": "backup", "for": "90 days"}}


def test_a_body_that_is_no_policy_is_refused_by_name() -> None:
    with pytest.raises(PolicyError, match=r"^every-construct@3 as it was published: rules: is missing: write it$"):
        policy_from_body({name: value for name, value in every().body().items() if name != "rules"})


SAME: list[Callable[[str], str]] = [
    lambda text: f"# a comment\n{text}",
    lambda text: text.replace("letters: [announcement, details]", "letters:\n  - announcement\n  - details\n"),
    lambda text: text.replace('"1000"', '"1000.00"'),
    lambda text: text.replace("at_least: 90 minutes, less_than: 2 days", "less_than: 48 hours, at_least: 90 minutes"),
    lambda text: text.replace("per: customer\n", "per: customer\n    across_incidents: merged\n"),
    lambda text: text.replace('"99 %"', '"99.0 %"').replace('"50 %"', '"50%"'),
]


@pytest.mark.parametrize("change", SAME)
def test_what_says_the_same_has_the_same_digest(change: Callable[[str], str]) -> None:
    text = change(EVERY)
    assert text != EVERY
    assert parse_policy(text, f"{KEY}.yaml").digest == every().digest


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"1.00"', '"1.01"'),
        ("managed: true", "managed: false"),
        ("managed: true", "managed: 1"),
        ("after: 2 hours", "after: 121 minutes"),
        ("for: 90 days", "for: 91 days"),
        ("We are sorry.", "We are very sorry."),
        ("when_narrowed: reverse", "when_narrowed: honour"),
        ("across_incidents: each", "across_incidents: merged"),
        ("[terminated, expired]", "[expired, terminated]"),
    ],
)
def test_what_says_something_else_has_another_digest(right: str, wrong: str) -> None:
    assert every(right, wrong).digest != every().digest


def test_the_digests_of_what_ships_never_change() -> None:
    """They were published: a change of the language that moves one would stop every service that knows it."""
    assert {key: policy.digest[:16] for key, policy in load_policies().items()} == {
        ARUBA: "9a53a8b9d42f1386",
        "daily-rate-telecom@1": "e42b1e81eddb6eb2",
        "sla-credit@1": "7ca4f9ae1d41f557",
    }


@given(st.integers(1, 366 * 24 * 60))
def test_a_length_is_read_as_it_was_written(minutes: int) -> None:
    length = timedelta(minutes=minutes)
    assert read_length(written_length(length)) == length


@given(st.integers(1, 10_000_000))
def test_a_share_is_read_as_it_was_written(millionths: int) -> None:
    share = Decimal(millionths).scaleb(-6)
    adapter: TypeAdapter[Any] = TypeAdapter(Share)
    assert adapter.validate_python(written_share(share)) == share
    assert adapter.dump_python(share, mode="json") == written_share(share)


def test_a_day_of_a_length_is_exact_and_a_day_of_a_period_is_a_date() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Duration)
    assert adapter.validate_python("1 day") == timedelta(hours=24)


def test_a_draft_may_be_called_anything_but_not_be_endless() -> None:
    assert parse_policy_text(ARUBA_TEXT).key == ARUBA
    with pytest.raises(PolicyError, match=r"^policy: is \d+ bytes: write \d+ at most$"):
        parse_policy_text("#" * 300_000)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: str(path.name))
def test_what_ships_tells_an_editor_its_schema(path: Any) -> None:
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=policy.schema.json\n")
