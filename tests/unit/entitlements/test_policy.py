"""Policies: the case's promise as it ships, and what a bad file is told: the file, the path, what would be right."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.entitlements.domain import Period
from services.entitlements.policy import LARGEST_FILE_BYTES, Policy, load_policies, parse_policy
from services.entitlements.policy_errors import PolicyError
from tests.unit.entitlements.bad_policies import AMOUNT, BAD
from tests.unit.entitlements.builders import ARUBA, ARUBA_TEXT, aruba


def problems(text: str, file: str = "aruba.yaml") -> tuple[str, ...]:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, file)
    return caught.value.problems


# ── what ships ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_cases_policy_ships() -> None:
    policy = aruba()
    assert (policy.key, policy.time_zone, policy.letters) == (ARUBA, "Europe/Rome", ("details",))
    mail, days, voucher = policy.rules
    assert (mail.rule, mail.per, mail.when.families) == ("business-mail", "contract", ("hosting", "domain"))
    assert mail.when.attributes == {"includes_email": True}
    assert mail.give.addon
    assert (mail.give.addon.product, mail.give.addon.length) == ("business-mail", Period(1, "year"))
    assert mail.if_owned
    assert mail.if_owned.product == "business-mail"
    assert mail.if_owned.instead.addon
    assert mail.if_owned.instead.addon.product == "gigamail"
    assert (days.rule, days.per, days.when.families) == ("extra-days", "contract", ("dedicated", "housing", "virtual"))
    assert days.give.extension
    assert days.give.extension.days == 15
    assert (voucher.rule, voucher.per, voucher.when.families) == ("photo-voucher", "customer", None)
    terms = voucher.give.voucher
    assert terms
    assert terms.amount
    assert terms.shipping_cap
    assert (terms.merchant, terms.handling_covered) == ("Fotoaruba", True)
    assert (terms.amount.amount, terms.shipping_cap.amount) == (Decimal("5.00"), Decimal("1.90"))
    assert (terms.amount.currency, terms.valid_for) == ("EUR", Period(1, "year"))


def test_amounts_are_kept_with_the_decimals_of_their_currency() -> None:
    policy = parse_policy(ARUBA_TEXT.replace('"5.00"', '"5"'), f"{ARUBA}.yaml")
    assert policy.rules[2].give.voucher
    amount = policy.rules[2].give.voucher.amount
    assert amount
    assert str(amount.amount) == "5.00"


@pytest.mark.parametrize("title", ["2011-04-29", "2011-02-31", "29 April"])
def test_a_text_that_looks_like_a_date_is_a_text(title: str) -> None:
    text = ARUBA_TEXT.replace('title: "Black-out of the Arezzo data centre, 29 April 2011"', f"title: {title}")
    assert parse_policy(text, f"{ARUBA}.yaml").title == title


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("1 year", Period(1, "year")),
        ("2 years", Period(2, "year")),
        ("6 months", Period(6, "month")),
        ("15 days", Period(15, "day")),
        ("3660 days", Period(3660, "day")),
    ],
)
def test_a_period_is_written_as_a_text(text: str, period: Period) -> None:
    policy = parse_policy(ARUBA_TEXT.replace("valid_for: 1 year", f"valid_for: {text}"), f"{ARUBA}.yaml")
    assert policy.rules[2].give.voucher
    assert policy.rules[2].give.voucher.valid_for == period


# ── what is wrong with a file ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("right", "wrong", "told"), BAD, ids=[told[:70] for _, _, told in BAD])
def test_a_bad_policy_is_told_the_file_the_path_and_what_would_be_right(right: str, wrong: str, told: str) -> None:
    assert right in ARUBA_TEXT
    assert f"aruba.yaml: {told}" in problems(ARUBA_TEXT.replace(right, wrong, 1))


def test_every_problem_of_a_file_is_told_at_once() -> None:
    text = ARUBA_TEXT.replace('"5.00"', "5.0").replace("days: 15", "days: 0").replace("Europe/Rome", "Rome")
    assert [line.split(": ")[1] for line in problems(text)] == ["time_zone", "rules[1].give.extension.days", AMOUNT]


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file_is_told_what_a_policy_has(text: str) -> None:
    assert problems(text) == ("aruba.yaml: is empty: write name, version, title, time_zone and rules",)


@pytest.mark.parametrize("text", ["just words", "[1, 2]", "7"])
def test_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    assert "is not a mapping" in problems(text)[0]


def test_a_file_nested_beyond_reason_is_refused() -> None:
    assert "nested too deeply" in problems("[" * 5000)[0]


def test_aliases_that_would_unfold_without_end_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert "is an alias of an anchor" in problems("\n".join(lines))[0]


@pytest.mark.parametrize("file", ["aruba.yaml", "aruba-2011-04-29@2.yaml", "aruba-2011-04-29@1.yml"])
def test_a_file_is_called_as_its_content_says(file: str) -> None:
    told = f"{file}: name, version: the policy is {ARUBA}: call the file {ARUBA}.yaml"
    assert problems(ARUBA_TEXT, file) == (told,)


@given(st.text(max_size=200))
def test_whatever_stands_in_a_file_it_is_a_policy_or_a_policy_error(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_policy(text, "any.yaml")


@given(st.data())
def test_a_policy_with_any_line_spoiled_is_a_policy_or_a_policy_error(data: st.DataObject) -> None:
    lines = ARUBA_TEXT.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = data.draw(st.sampled_from(["", "x", "- 1", "? y", "  a: b", "[", lines[at] + " z", lines[at][2:]]))
    with suppress(PolicyError):
        assert isinstance(parse_policy("\n".join(lines), f"{ARUBA}.yaml"), Policy)


@pytest.mark.parametrize(
    "value", ["!!int abc", "!!bool abc", "!!timestamp abc", "!!float x", "9" * 5000, "!!python/object:os.system x"]
)
def test_a_value_with_a_tag_that_lies_is_refused(value: str) -> None:
    assert problems(ARUBA_TEXT.replace("days: 15", f"days: {value}"))[0].startswith("aruba.yaml: ")


# ── a folder of them ─────────────────────────────────────────────────────────────────────────────────────────────


def test_policies_are_found_by_name_and_version(tmp_path: Path) -> None:
    (tmp_path / f"{ARUBA}.yaml").write_text(ARUBA_TEXT)
    (tmp_path / "aruba-2011-04-29@2.yaml").write_text(ARUBA_TEXT.replace("version: 1", "version: 2"))
    (tmp_path / "README.md").write_text("not a policy")
    policies = load_policies(tmp_path)
    assert sorted(policies) == [ARUBA, "aruba-2011-04-29@2"]
    assert policies.named("aruba-2011-04-29@2").version == 2


def test_an_unknown_policy_is_answered_with_the_known_ones() -> None:
    with pytest.raises(PolicyError) as caught:
        load_policies().named("aruba-2011-04-28@1")
    assert str(caught.value) == (
        f"there is no policy aruba-2011-04-28@1: did you mean {ARUBA}? "
        f"The known policies are: {ARUBA}, daily-rate-telecom@1, sla-credit@1"
    )


def test_the_problems_of_every_file_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a@1.yaml").write_text(ARUBA_TEXT.replace('"5.00"', "5.0"))
    (tmp_path / "b@1.yaml").write_text(ARUBA_TEXT.replace("days: 15", "days: 0"))
    (tmp_path / "c@1.yaml").write_bytes(b"title: \xff")
    (tmp_path / "d@1.yaml").write_text("#" * (LARGEST_FILE_BYTES + 1))
    (tmp_path / f"{ARUBA}.yml").write_text(ARUBA_TEXT)
    (tmp_path / "e@1.yaml").mkdir()
    with pytest.raises(PolicyError) as caught:
        load_policies(tmp_path)
    assert [line.split(": ")[0] for line in caught.value.problems] == [
        "a@1.yaml", f"{ARUBA}.yml", "b@1.yaml", "c@1.yaml", "d@1.yaml", "e@1.yaml"
    ]  # fmt: skip
    assert "c@1.yaml: byte 7 is not UTF-8: save the file as UTF-8" in caught.value.problems


def test_a_folder_without_policies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="holds no policy: write one as <name>@<version>"):
        load_policies(tmp_path)
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policies(tmp_path / "nowhere")
