"""What is looked at in a life: at any time, and when all is quiet.

Row by row against the oracle: what is owed, what was applied, what the contracts, vouchers and accounts are, what the
customers were told; and that the books of the three services close among themselves.
"""

from __future__ import annotations

import itertools
from collections import Counter
from decimal import Decimal
from typing import Any

from tests.life.life import Life
from tests.life.oracle import Incident
from tests.life.oracle_days import an_id
from tests.life.oracle_promise import DECIMALS
from tests.life.world import plain

numbers = itertools.count(1)
Rows = list[dict[str, Any]]


def everything(life: Life, sent: bool = True) -> None:
    """All that can be compared when all is quiet; `sent`: the letters that were due have left too."""
    projection(life)
    owed(life)
    considered(life)
    ledger(life)
    contracts(life)
    vouchers_and_credits(life)
    for incident in life.oracle.incidents.values():
        if sent:
            letters(life, incident)
        books(life, incident, sent)


def two_decimals(amount: str, currency: str) -> str:
    """An amount as people write it."""
    return f"{Decimal(amount):.{DECIMALS.get(currency, 2)}f}"


def _equal(actual: Rows, expected: Rows, what: str) -> None:
    left, right = sorted(map(str, map(_sorted, actual))), sorted(map(str, map(_sorted, expected)))
    missing, surplus = [row for row in right if row not in left], [row for row in left if row not in right]
    assert left == right, f"{what}: missing {missing}, and nobody expected {surplus}"


def _sorted(row: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(row[name]) for name in sorted(row)}


# ── entitlements ─────────────────────────────────────────────────────────────────────────────────────────────────


def projection(life: Life) -> None:
    """What entitlements knows of the contracts is the latest that it was told of each."""
    rows = life.world.rows(
        life.world.entitlements,
        "SELECT contract_id, version, ends_on, terminated_on, jsonb_array_length(complimentary) AS gifts FROM contract"
        " WHERE starts_with(customer_id, $1)",
        f"{life.prefix}-",
    )
    expected = [
        {
            "contract_id": name,
            "version": one.get("version", 0),
            "ends_on": one.get("ends_on"),
            "terminated_on": one.get("terminated_on"),
            "gifts": len(one.get("complimentary", ())),
        }
        for name, one in life.oracle.contracts.items()
    ]
    _equal(rows, expected, "the contracts as entitlements knows them")


def owed(life: Life) -> None:
    """What is owed and what no longer, entry by entry."""
    rows = life.world.rows(
        life.world.entitlements,
        "SELECT incident_id, customer_id, rule, target, grant_id, entry_id, choice, kind, stamp, withdraws, honoured,"
        " drill, coalesce(days, amount, 1) AS quantity, currency FROM granted WHERE incident_id = ANY($1::text[])",
        list(life.world.incidents),
    )
    expected: Rows = []
    for incident in life.oracle.incidents.values():
        for entry in (one for entries in incident.entries.values() for one in entries):
            row = {
                "incident_id": incident.incident_id,
                "customer_id": entry.customer_id,
                "rule": entry.rule,
                "target": entry.target,
                "grant_id": entry.grant_id,
                "entry_id": entry.entry_id,
                "choice": entry.choice,
                "kind": entry.kind,
                "stamp": entry.stamp,
                "withdraws": None,
                "honoured": False,
                "drill": incident.drill,
                "quantity": entry.quantity,
                "currency": entry.currency,
            }
            expected.append(row)
            if entry.withdrawn_by is not None:
                again = an_id(entry.entry_id, str(entry.withdrawn_by), "withdrawal")
                expected.append(
                    {
                        **row,
                        "entry_id": again,
                        "stamp": entry.withdrawn_by,
                        "withdraws": entry.entry_id,
                        "honoured": entry.honoured,
                    }
                )
    _equal(rows, expected, "what is owed")


def considered(life: Life) -> None:
    """Who was considered, and why he is owed nothing; what is in force, and what was spent."""
    rows = life.world.rows(
        life.world.entitlements,
        "SELECT incident_id, customer_id, exclusion, drill FROM consideration WHERE incident_id = ANY($1::text[])",
        list(life.world.incidents),
    )
    expected = [
        {"incident_id": one.incident_id, "customer_id": customer, "exclusion": exclusion, "drill": one.drill}
        for one in life.oracle.incidents.values()
        for customer, exclusion in one.exclusions.items()
    ]
    _equal(rows, expected, "who was considered")
    rows = life.world.rows(
        life.world.entitlements,
        "SELECT incident_id, revision, held, paused, spent FROM incident WHERE incident_id = ANY($1::text[])",
        list(life.world.incidents),
    )
    assert {row["incident_id"] for row in rows} == set(life.oracle.incidents)
    for row in rows:
        incident = life.oracle.incidents[row["incident_id"]]
        assert (row["revision"], row["held"], row["paused"]) == (
            len(incident.in_force),
            incident.held,
            incident.paused,
        )
        if incident.policy.get("budget") and not incident.drill:
            spent = {currency: Decimal(amount) for currency, amount in row["spent"].items() if Decimal(amount)}
            assert spent == {currency: amount for currency, amount in incident.spent.items() if amount}


# ── billing ──────────────────────────────────────────────────────────────────────────────────────────────────────


def ledger(life: Life) -> None:
    """What was applied, refused, put in its place and taken back, line by line."""
    rows = life.world.rows(
        life.world.billing,
        "SELECT incident_id, customer_id, revision, entry_id, grant_id, rule, kind, outcome, reason, contract_id, days,"
        " amount, currency, reverses, substitutes, drill FROM entry WHERE incident_id = ANY($1::text[])",
        list(life.world.incidents),
    )
    expected = []
    for line in life.ledger.lines.values():
        sign = -1 if line.reverses else 1
        expected.append(
            {
                "incident_id": line.incident_id,
                "customer_id": line.customer_id,
                "revision": line.revision,
                "entry_id": line.entry_id,
                "grant_id": line.grant_id,
                "rule": line.rule,
                "kind": line.kind,
                "outcome": "applied" if line.applied else "refused",
                "reason": line.reason,
                "contract_id": line.contract_id,
                "days": None if line.days is None else sign * line.days,
                "amount": None if line.amount is None else sign * line.amount,
                "currency": line.currency,
                "reverses": line.reverses,
                "substitutes": line.substitutes,
                "drill": line.drill,
            }
        )
    _equal(rows, expected, "the ledger")


def contracts(life: Life) -> None:
    """The contracts' dates: what was agreed and the days in the ledger."""
    rows = life.world.rows(
        life.world.billing,
        "SELECT contract_id, ends_on, terminated_on, extension_days, version FROM contract"
        " WHERE contract_id = ANY($1::text[])",
        list(life.ledger.accounts),
    )
    expected = [
        {
            "contract_id": name,
            "ends_on": one.day("ends_on"),
            "terminated_on": one.day("terminated_on"),
            "extension_days": one.days,
            "version": one.version,
        }
        for name, one in life.ledger.accounts.items()
    ]
    _equal(rows, expected, "the contracts")


def vouchers_and_credits(life: Life) -> None:
    """What was issued, redeemed, made void, and what stands on the accounts."""
    mine = list(life.world.incidents)
    rows = life.world.rows(
        life.world.billing,
        "SELECT voucher_id, amount, currency, valid_until, redeemed_at IS NOT NULL AS redeemed,"
        " voided_at IS NOT NULL AS void FROM voucher WHERE incident_id = ANY($1::text[])",
        mine,
    )
    expected = [
        {
            "voucher_id": one.voucher_id,
            "amount": one.amount,
            "currency": one.currency,
            "valid_until": one.valid_until,
            "redeemed": one.redeemed,
            "void": one.void,
        }
        for one in life.ledger.vouchers.values()
    ]
    _equal(rows, expected, "the vouchers")
    rows = life.world.rows(
        life.world.billing,
        "SELECT customer_id, currency, sum(amount) AS amount FROM credit WHERE incident_id = ANY($1::text[])"
        " GROUP BY customer_id, currency HAVING sum(amount) <> 0",
        mine,
    )
    customers = {line.customer_id for line in life.ledger.lines.values()}
    expected = [
        {"customer_id": customer, "currency": currency, "amount": amount}
        for customer in customers
        for currency, amount in life.ledger.balance(customer).items()
        if amount
    ]
    _equal(rows, expected, "the accounts")


# ── letters ──────────────────────────────────────────────────────────────────────────────────────────────────────


def letters(life: Life, incident: Incident) -> None:
    """Every customer who can be written to knows what stands in the ledger, unless the incident was taken back."""
    if not incident.in_force or incident.drill:
        assert not any(key[0] == incident.incident_id for key in life.mailbox.left if life.mailbox.left[key])
        return
    if incident.paused or incident.held or life.ledger.waiting:
        return
    wants = incident.policy.get("letters", ["details"])
    for customer in {
        line.customer_id for line in life.ledger.lines.values() if line.incident_id == incident.incident_id
    }:
        if customer.endswith("dario"):
            continue  # he has no address
        lines = [
            line
            for line in life.ledger.lines.values()
            if (line.incident_id, line.customer_id) == (incident.incident_id, customer)
        ]
        taken = {line.reverses for line in lines if line.reverses and line.applied}
        given = {line.entry_id for line in lines if line.applied and not line.reverses}
        given -= {e for e in given if e in taken or _line(life, e).substitutes in taken}
        has, _ = life.mailbox.knows(incident.incident_id, customer)
        assert not (has & {e for e in taken if e}), f"{customer} believes to have what was taken back"
        if not incident.now.retracted and "details" in wants:
            withdrawn = {line.reverses for line in lines if line.reverses}
            assert given - withdrawn <= has, f"{customer} was not told of {given - withdrawn - has}"


def _line(life: Life, entry_id: str) -> Any:
    return life.ledger.lines[entry_id]


# ── the books ────────────────────────────────────────────────────────────────────────────────────────────────────


def books(life: Life, incident: Incident, sent: bool) -> None:
    """The books of the three services close among themselves, from their own tables alone."""
    mine = [incident.incident_id]
    entitled = {customer for customer, entries in incident.entries.items() if entries}
    assert len(incident.exclusions) == len(entitled) + sum(1 for one in incident.exclusions.values() if one)
    asked = life.world.rows(
        life.world.entitlements,
        "SELECT withdraws IS NULL AS grants, count(*) AS n FROM granted WHERE incident_id = ANY($1::text[]) GROUP BY 1",
        mine,
    )
    answered = life.world.rows(
        life.world.billing,
        "SELECT reverses IS NULL AS grants, count(*) AS n FROM entry"
        " WHERE incident_id = ANY($1::text[]) AND substitutes IS NULL GROUP BY 1",
        mine,
    )
    _equal(answered, asked, "what was asked and what was answered")
    rows = life.world.rows(
        life.world.notifications,
        "SELECT kind, state, customer_id FROM letter WHERE incident_id = ANY($1::text[])",
        mine,
    )
    kinds = Counter((row["kind"], row["customer_id"]) for row in rows if row["kind"] != "correction")
    assert all(count == 1 for count in kinds.values()), "one letter of a kind"
    wants = incident.policy.get("letters", ["details"])
    for kind in ("announcement", "details"):
        written = {customer for of, customer in kinds if of == kind}
        assert written == (entitled if kind in wants else set()), f"the letters of the kind {kind}"
    if sent and not incident.paused and incident.in_force:
        assert not [row for row in rows if row["state"] in ("pending", "sending", "waiting")], rows
