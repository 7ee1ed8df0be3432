"""A customer's story in words: pure, from the JSON that `amends explain` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.cli.words import DRILL, money, plain

Row = Mapping[str, Any]


def lines(story: Row) -> list[str]:
    """The story, line by line."""
    decided = story["entitlement"]
    told = [f"{story['title']} ({story['incident_id']}, revision {story['revision']}, policy {story['policy']})"]
    if story.get("drill"):
        told += [DRILL]
    told += [f"  {revision(one)}" for one in decided.get("revisions", ())]
    told += [f"Customer {story['customer_id']}: " + _standing(decided, bool(story.get("retracted")))]
    for run in decided["runs"]:
        told += _run(run, decided)
    told += ["", "Ledger:"] + [f"  {entry(one)}" for one in story["billing"]["entries"]]
    told += [f"  {voucher(one)}" for one in story["billing"]["vouchers"]]
    told += _account(story)
    return told + ["", "Letters:"] + [f"  {letter(one)}" for one in story["letters"]]


def _standing(decided: Row, retracted: bool) -> str:
    taken_back = ", and the incident was taken back" if retracted else ""
    if decided["exclusion"]:
        return f"excluded, {decided['exclusion']}{taken_back}"
    return f"entitled{taken_back}"


def revision(told: Row) -> str:
    """What one revision said, by whom and when."""
    body, kind = told["body"], str(told["type"]).split(".")[1]
    said = f"revision {told['revision']}, {kind} by {body['declared_by']} at {body['declared_at']}"
    if kind == "resolved":
        return f"{said}: it ended at {body['ends_at']}"
    if kind == "retracted":
        return f"{said}: {body['reason']}"
    windows = [body["impact"], *body["impact"].get("also", ())]
    return f"{said}: {' and '.join(map(_window, windows))}, {_scope(body['scope'])}"


def _window(window: Row) -> str:
    return f"from {window['starts_at']} " + (f"to {window['ends_at']}" if window["ends_at"] else "on, no end yet")


def _scope(scope: Row) -> str:
    if scope.get("everyone"):
        return "everyone"
    names = ("sites", "families", "contract_ids")
    return ", ".join(f"{plain(name)} {' or '.join(scope[name])}" for name in names if scope.get(name))


def _run(run: Row, decided: Row) -> list[str]:
    """One run: the facts as they were, and every rule's verdict with its arithmetic."""
    when = f" at {run['decided_at']}" if run.get("decided_at") else ""
    told = ["", f"Decided{when} by {run['policy']}, revision {run['revision']}, run {run['run']}, from these facts:"]
    told += [f"  {fact(one)}" for one in run["facts"]]
    told += [f"  given before: {_given(one)}" for one in run.get("before", ()) if not one.get("withdraws")]
    told += [
        f"  incident {one['incident_id']} gave {one['quantity']} by {one['rule']}" for one in run.get("others", ())
    ]
    told += ["and for these reasons:"]
    told += [f"  {verdict['sentence']}" for verdict in run["verdicts"]]
    entries = {grant["entry_id"]: grant for grant in decided.get("grants", ())}
    for _, withdrawn, honoured in run.get("withdrawn", ()):
        stands = "honoured all the same" if honoured else "taken back"
        what = _given(entries[withdrawn]) if withdrawn in entries else f"entry {withdrawn}"
        told.append(f"  no longer owed, {stands}: {what}")
    return told


def _given(grant: Row) -> str:
    """An entry of entitlements in a few words."""
    target = "" if grant["target"] == "customer" else f", contract {grant['target']}"
    return f"{grant['rule']}{target}, {_quantity(grant)} (revision {grant['stamp']})"


def _quantity(grant: Row) -> str:
    if grant.get("days"):
        return f"{grant['days']} days"
    if grant.get("amount"):
        return f"{grant['amount']} {grant['currency']}"
    return str(grant.get("quantity") or grant.get("kind"))


def fact(one: Row) -> str:
    """A contract as it was when it was decided."""
    end = f" to {one['ends_on']}" if one["ends_on"] else ", no end"
    cut = f", terminated on {one['terminated_on']}" if one["terminated_on"] else ""
    fee = f", {one['monthly_fee']} {one['currency']} a month" if one["monthly_fee"] else ""
    addons = f", add-ons {', '.join(one['addons'])}" if one["addons"] else ""
    gifts = "".join(
        f", complimentary {product} from {starts_on} to {ends_on}"
        for product, starts_on, ends_on in one["complimentary"]
    )
    attributes = "".join(f", {name}: {value}" for name, value in sorted(one["attributes"].items()))
    site = f", site {one['site']}" if one["site"] else ""
    return (
        f"contract {one['contract_id']}: {one['product']} ({one['family']}){site}, "
        f"from {one['starts_on']}{end}{cut}{fee}{addons}{gifts}{attributes}"
    )


def entry(one: Row) -> str:
    """A line of billing's ledger."""
    what = f"{one['rule']}: {one['kind']}"
    if one["contract_id"]:
        what += f" on contract {one['contract_id']} ({one['product']})"
    if one.get("reverses"):
        what += ", withdrawn"
    if one.get("substitutes"):
        what += ", in place of what was refused"
    return f"{what}: {_became(one)}{_marked(one)}"


def _became(one: Row) -> str:
    """What became of a remedy or of its withdrawal."""
    if one["outcome"] == "refused":
        return f"stands, {plain(one['reason'])}" if one.get("reverses") else f"refused, {one['reason']}"
    if one["kind"] == "extension":
        sign = "-" if one["days"] < 0 else "+"
        return f"{one['ends_on_before']} {sign} {abs(one['days'])} days = {one['ends_on_after']}"
    if one["amount"]:
        return f"{one['amount']} {one['currency']}"
    return "taken back" if one.get("reverses") else "applied"


def voucher(one: Row) -> str:
    """A voucher and what became of it."""
    state = "not redeemed"
    if one["redeemed_at"]:
        state = f"redeemed at {one['redeemed_at']}"
    elif one.get("voided_at"):
        state = f"void since {one['voided_at']}"
    cap = f", shipping up to {one['shipping_cap']} {one['currency']}" if one["shipping_cap"] else ""
    worth = f"{one['amount']} {one['currency']} at {one['merchant']}{cap}"
    return f"voucher {one['voucher_id']}, {worth}, valid until {one['valid_until']}: {state}{_marked(one)}"


def _account(story: Row) -> list[str]:
    """What this incident has put on the customer's account, and what stands there by now."""
    account = story.get("account") or {"balances": {}, "entries": []}
    booked = [one for one in account["entries"] if one["incident_id"] == story["incident_id"]]
    if not booked:
        return []
    told = ["", "Account:"]
    told += [f"  {one['amount']} {one['currency']} booked at {one['recorded_at']}{_marked(one)}" for one in booked]
    return [*told, f"  balance {money(account['balances'])}"]


def letter(one: Row) -> str:
    """A letter's line."""
    when = f" at {one['settled_at']}" if one["settled_at"] else ""
    note = f", cancelled: {one['cancelled']}" if one.get("cancelled") else ""
    note += f" ({one['note']})" if one["note"] else ""
    return f"{one['kind']} {one['letter_id']}: {plain(one['state'])}{when}{note}{_marked(one)}"


def _marked(one: Row) -> str:
    return " [drill]" if one.get("drill") else ""
