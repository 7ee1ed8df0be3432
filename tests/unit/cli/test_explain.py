"""A customer's story in words."""

from __future__ import annotations

from typing import Any

import pytest

from services.cli.explain import letter, lines

FACT: dict[str, Any] = {
    "contract_id": "K1", "customer_id": "C1", "family": "dedicated", "product": "dedicated-server", "site": "arezzo",
    "starts_on": "2009-01-01", "ends_on": "2011-12-31", "terminated_on": None, "monthly_fee": "99.00",
    "currency": "EUR", "addons": [], "attributes": {}, "complimentary": [],
}  # fmt: skip
ENTRY: dict[str, Any] = {
    "entry_id": "e1", "grant_id": "g1", "revision": 1, "rule": "extra-days", "kind": "extension", "outcome": "applied",
    "reason": None, "contract_id": "K1", "product": "dedicated-server", "days": 15, "ends_on_before": "2011-12-31",
    "ends_on_after": "2012-01-15", "amount": None, "currency": None,
}  # fmt: skip
VOUCHER: dict[str, Any] = {
    "voucher_id": "v1", "amount": "5.00", "currency": "EUR", "merchant": "Fotoaruba", "shipping_cap": "1.90",
    "handling_covered": True, "valid_until": "2012-05-13", "redeemed_at": None,
}  # fmt: skip
LETTER: dict[str, Any] = {
    "letter_id": "l1", "incident_id": "i1", "kind": "details", "state": "sent", "attempts": 1,
    "note": "250 2.0.0 OK", "settled_at": "2026-01-01T10:00:00+00:00",
}  # fmt: skip


def story(**changed: Any) -> dict[str, Any]:
    """A story of one contract and one rule."""
    told: dict[str, Any] = {
        "incident_id": "i1",
        "revision": 1,
        "title": "Black-out",
        "policy": "p@1",
        "customer_id": "C1",
        "entitlement": {
            "considered": True,
            "exclusion": None,
            "grants": [],
            "runs": [
                {
                    "revision": 1,
                    "run": 1,
                    "policy": "p@1",
                    "facts": [FACT],
                    "verdicts": [{"sentence": "extra-days, contract K1: granted, 15 calendar days"}],
                }
            ],
        },
        "billing": {"entries": [ENTRY], "vouchers": [VOUCHER]},
        "letters": [LETTER],
    }
    return told | changed


def test_the_whole_story_of_an_entitled_customer() -> None:
    assert lines(story()) == [
        "Black-out (i1, revision 1, policy p@1)",
        "Customer C1: entitled",
        "",
        "Decided by p@1, revision 1, run 1, from these facts:",
        "  contract K1: dedicated-server (dedicated), site arezzo, from 2009-01-01 to 2011-12-31",
        "and for these reasons:",
        "  extra-days, contract K1: granted, 15 calendar days",
        "",
        "Ledger:",
        "  extra-days: extension on contract K1 (dedicated-server): 2011-12-31 + 15 days = 2012-01-15",
        "  voucher v1, 5.00 EUR at Fotoaruba, shipping up to 1.90 EUR, valid until 2012-05-13: not redeemed",
        "",
        "Letters:",
        "  details l1: sent at 2026-01-01T10:00:00+00:00 (250 2.0.0 OK)",
    ]


def test_an_excluded_customer_is_told_why() -> None:
    decided = story()["entitlement"] | {"exclusion": "ended_before"}
    told = lines(story(entitlement=decided, billing={"entries": [], "vouchers": []}, letters=[]))
    assert told[1] == "Customer C1: excluded, ended_before"
    assert told[-4:] == ["", "Ledger:", "", "Letters:"]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"outcome": "refused", "reason": "expired"}, "extension on contract K1 (dedicated-server): refused, expired"),
        ({"kind": "addon", "product": "gigamail"}, "addon on contract K1 (gigamail): applied"),
        ({"kind": "voucher", "contract_id": None, "amount": "5.00", "currency": "EUR"}, "voucher: 5.00 EUR"),
        ({"kind": "credit", "contract_id": None, "amount": "1200", "currency": "JPY"}, "credit: 1200 JPY"),
    ],
)
def test_a_line_of_the_ledger(changed: dict[str, Any], line: str) -> None:
    told = lines(story(billing={"entries": [ENTRY | changed], "vouchers": []}))
    assert f"  extra-days: {line}" in told


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ends_on": None}, "from 2009-01-01, no end"),
        ({"terminated_on": "2011-05-01"}, "to 2011-12-31, terminated on 2011-05-01"),
        ({"addons": ["backup", "ssl"]}, ", add-ons backup, ssl"),
        (
            {"attributes": {"time_zone": "Asia/Tokyo", "includes_email": True}},
            ", includes_email: True, time_zone: Asia",
        ),
        ({"site": None}, "dedicated-server (dedicated), from 2009"),
        (
            {"complimentary": [["business-mail", "2011-05-13", "2012-05-13"]]},
            "complimentary business-mail from 2011-05-13 to 2012-05-13",
        ),
    ],
)
def test_a_fact_says_all_that_was_decided_with(changed: dict[str, Any], words: str) -> None:
    decided = story()["entitlement"]
    decided["runs"][0]["facts"] = [FACT | changed]
    assert words in lines(story(entitlement=decided))[4]


def test_a_letter_that_waits_has_neither_time_nor_note() -> None:
    assert letter(LETTER | {"state": "in_doubt", "note": None, "settled_at": None}) == "details l1: in doubt"
