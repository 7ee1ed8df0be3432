"""`amends explain INCIDENT CUSTOMER`: the whole story of one customer, in words or as JSON, from the stored facts."""

from __future__ import annotations

from typing import Any

from services.cli.asking import ROOT, Root, Services, part
from services.cli.errors import CommandError
from services.cli.output import Format, Output, data, print_json


def explain_command(incident_id: str, customer_id: str, root: Root = ROOT, output: Output = Format.TEXT) -> None:
    """Say why a customer is owed what he is owed, and what became of it."""
    services = Services(root)
    story = explain(services, incident_id, customer_id)
    if output is Format.JSON:
        print_json(story)
    else:
        for line in lines(story):
            data.print(line, markup=False)


def explain(services: Services, incident_id: str, customer_id: str) -> dict[str, Any]:
    """The story; raises `CommandError` for an incident that nobody declared or a customer that it did not consider."""
    incident = services.incident(incident_id)
    path = f"/incidents/{part(incident_id)}/customers/{part(customer_id)}"
    try:
        decided = services.get("entitlements", path)
    except KeyError:
        decided = {"considered": False}
    if not decided["considered"]:
        raise CommandError(
            f"incident {incident_id} did not consider customer {customer_id}: "
            "no contract of his was known and in scope when it was decided"
        )
    return {
        "incident_id": incident_id,
        "revision": incident["revision"],
        "title": incident["body"]["title"],
        "policy": incident["body"]["policy"],
        "customer_id": customer_id,
        "entitlement": decided,
        "billing": services.get("billing", path),
        "letters": services.get(
            "notifications",
            f"/customers/{part(customer_id)}/letters?incident_id={part(incident_id)}",
            as_operator=True,
        ),
    }


def lines(story: dict[str, Any]) -> list[str]:
    """The story in words."""
    decided = story["entitlement"]
    told = [
        f"{story['title']} ({story['incident_id']}, revision {story['revision']}, policy {story['policy']})",
        f"Customer {story['customer_id']}: "
        + (f"excluded, {decided['exclusion']}" if decided["exclusion"] else "entitled"),
    ]
    for run in decided["runs"]:
        told += ["", f"Decided by {run['policy']}, revision {run['revision']}, run {run['run']}, from these facts:"]
        told += [f"  {_fact(fact)}" for fact in run["facts"]]
        told += ["and for these reasons:"]
        told += [f"  {verdict['sentence']}" for verdict in run["verdicts"]]
    told += ["", "Ledger:"] + [f"  {_entry(entry)}" for entry in story["billing"]["entries"]]
    told += [f"  {_voucher(voucher)}" for voucher in story["billing"]["vouchers"]]
    told += ["", "Letters:"] + [f"  {letter(one)}" for one in story["letters"]]
    return told


def _fact(fact: dict[str, Any]) -> str:
    end = f" to {fact['ends_on']}" if fact["ends_on"] else ", no end"
    cut = f", terminated on {fact['terminated_on']}" if fact["terminated_on"] else ""
    addons = f", add-ons {', '.join(fact['addons'])}" if fact["addons"] else ""
    gifts = "".join(
        f", complimentary {product} from {starts_on} to {ends_on}"
        for product, starts_on, ends_on in fact["complimentary"]
    )
    attributes = "".join(f", {name}: {value}" for name, value in sorted(fact["attributes"].items()))
    site = f", site {fact['site']}" if fact["site"] else ""
    return (
        f"contract {fact['contract_id']}: {fact['product']} ({fact['family']}){site}, "
        f"from {fact['starts_on']}{end}{cut}{addons}{gifts}{attributes}"
    )


def _entry(entry: dict[str, Any]) -> str:
    what = f"{entry['rule']}: {entry['kind']}"
    if entry["contract_id"]:
        what += f" on contract {entry['contract_id']} ({entry['product']})"
    if entry["outcome"] == "refused":
        return f"{what}: refused, {entry['reason']}"
    if entry["kind"] == "extension":
        return f"{what}: {entry['ends_on_before']} + {entry['days']} days = {entry['ends_on_after']}"
    if entry["amount"]:
        return f"{what}: {entry['amount']} {entry['currency']}"
    return f"{what}: applied"


def _voucher(voucher: dict[str, Any]) -> str:
    state = f"redeemed at {voucher['redeemed_at']}" if voucher["redeemed_at"] else "not redeemed"
    cap = f", shipping up to {voucher['shipping_cap']} {voucher['currency']}" if voucher["shipping_cap"] else ""
    worth = f"{voucher['amount']} {voucher['currency']} at {voucher['merchant']}{cap}"
    return f"voucher {voucher['voucher_id']}, {worth}, valid until {voucher['valid_until']}: {state}"


def letter(one: dict[str, Any]) -> str:
    """A letter's line."""
    when = f" at {one['settled_at']}" if one["settled_at"] else ""
    note = f" ({one['note']})" if one["note"] else ""
    return f"{one['kind']} {one['letter_id']}: {one['state'].replace('_', ' ')}{when}{note}"
