"""A customer's story in words."""

from __future__ import annotations

from typing import Any

import pytest

from services.cli.story import entry, letter, lines, revision, voucher

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
        "  contract K1: dedicated-server (dedicated), site arezzo, from 2009-01-01 to 2011-12-31, 99.00 EUR a month",
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


# ── The life of an incident ──────────────────────────────────────────────────────────────────────────────────────

BODY: dict[str, Any] = {
    "declared_by": "anna", "declared_at": "2011-05-13T10:00:00+02:00", "scope": {"everyone": True, "sites": []},
    "impact": {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": None, "also": []},
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("declared", BODY, ": from 2011-04-29T04:30:00+02:00 on, no end yet, everyone"),
        (
            "amended",
            BODY
            | {
                "scope": {"everyone": False, "sites": ["arezzo", "milan"], "families": ["hosting"]},
                "impact": {"starts_at": "A", "ends_at": "B", "also": [{"starts_at": "C", "ends_at": "D"}]},
            },
            ": from A to B and from C to D, sites arezzo or milan, families hosting",
        ),
        ("resolved", BODY | {"ends_at": "E"}, ": it ended at E"),
        ("retracted", BODY | {"reason": "a false alarm"}, ": a false alarm"),
    ],
)
def test_a_revision_says_what_was_stated_by_whom_and_when(kind: str, body: dict[str, Any], words: str) -> None:
    told = revision({"revision": 2, "type": f"incident.{kind}.v1", "body": body})
    assert told == f"revision 2, {kind} by anna at 2011-05-13T10:00:00+02:00{words}"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"reverses": "e0", "days": -15, "ends_on_before": "2012-01-15", "ends_on_after": "2011-12-31"},
            "extension on contract K1 (dedicated-server), withdrawn: 2012-01-15 - 15 days = 2011-12-31",
        ),
        (
            {"reverses": "e0", "outcome": "refused", "reason": "redeemed", "kind": "voucher", "contract_id": None},
            "voucher, withdrawn: stands, redeemed",
        ),
        ({"reverses": "e0", "kind": "addon"}, "addon on contract K1 (dedicated-server), withdrawn: taken back"),
        (
            {"substitutes": "e0", "kind": "credit", "contract_id": None, "amount": "3.00", "currency": "EUR"},
            "credit, in place of what was refused: 3.00 EUR",
        ),
        ({"drill": True}, "2011-12-31 + 15 days = 2012-01-15 [drill]"),
    ],
    ids=["reversed", "stands", "addon", "substitute", "drill"],
)
def test_a_line_of_the_ledger_says_what_was_taken_back_and_what_stands(changed: dict[str, Any], words: str) -> None:
    assert entry(ENTRY | changed).endswith(words)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"redeemed_at": "2011-06-01T10:00:00+00:00"}, ": redeemed at 2011-06-01T10:00:00+00:00"),
        ({"voided_at": "2011-06-01T10:00:00+00:00"}, ": void since 2011-06-01T10:00:00+00:00"),
        ({"drill": True}, ": not redeemed [drill]"),
    ],
)
def test_a_voucher_says_what_became_of_it(changed: dict[str, Any], words: str) -> None:
    assert voucher(VOUCHER | changed).endswith(words)


def test_a_run_says_what_was_there_before_and_what_it_took_back() -> None:
    grant = {"entry_id": "e1", "rule": "extra-days", "target": "K1", "stamp": 1, "days": 15, "kind": "extension"}
    before = grant | {"withdraws": None, "quantity": "15"}
    decided = story()["entitlement"] | {"grants": [grant]}
    decided["runs"] = [
        decided["runs"][0]
        | {
            "revision": 2,
            "before": [before],
            "others": [{"incident_id": "i0", "rule": "extra-days", "quantity": "5"}],
            "withdrawn": [["w1", "e1", False]],
        }
    ]
    told = lines(story(entitlement=decided))
    assert "  given before: extra-days, contract K1, 15 days (revision 1)" in told
    assert "  incident i0 gave 5 by extra-days" in told
    assert "  no longer owed, taken back: extra-days, contract K1, 15 days (revision 1)" in told


def test_a_drill_and_a_retraction_are_told_on_top() -> None:
    told = lines(story(drill=True, retracted=True))
    assert told[1].startswith("DRILL")
    assert "Customer C1: entitled, and the incident was taken back" in told


def test_the_account_shows_what_this_incident_has_put_there() -> None:
    booked = {"incident_id": "i1", "amount": "5.00", "currency": "EUR", "recorded_at": "2011-05-13T10:00:00+00:00"}
    account = {"balances": {"EUR": "7.00"}, "entries": [booked, booked | {"incident_id": "i2", "amount": "2.00"}]}
    told = lines(story(account=account))
    at = told.index("Account:")
    assert told[at : at + 3] == [
        "Account:",
        "  5.00 EUR booked at 2011-05-13T10:00:00+00:00",
        "  balance 7.00 EUR",
    ]


def test_a_letter_of_a_drill_is_marked() -> None:
    assert letter(LETTER | {"state": "suppressed", "note": "drill", "drill": True}).endswith("(drill) [drill]")


def test_a_letter_that_was_cancelled_says_why() -> None:
    told = letter(LETTER | {"state": "suppressed", "note": None, "cancelled": "retracted"})
    assert told.endswith(": suppressed at 2026-01-01T10:00:00+00:00, cancelled: retracted")
