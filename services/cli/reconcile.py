"""`amends reconcile INCIDENT`: do the books close? Asks the services, compares them both ways, names who differs."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from services.cli import books, census
from services.cli.asking import ROOT, Root, Services, part
from services.cli.census import Differences
from services.cli.errors import CommandError
from services.cli.orders import now
from services.cli.output import Format, Output, data, people, print_json
from services.cli.words import marked, reasons


def reconcile_command(incident_id: str, root: Root = ROOT, output: Output = Format.TEXT) -> None:
    """Close an incident's books; exits with 1 when they do not close."""
    services = Services(root)
    with people.status("comparing the services' books"):
        result = reconcile(services, incident_id)
    if output is Format.JSON:
        print_json(result)
    else:
        show(result)
    if not result["closed"]:
        raise CommandError(f"the books of {incident_id} do not close")


def reconcile(services: Services, incident_id: str) -> dict[str, Any]:
    """The books of an incident as they stand."""
    incident = services.incident(incident_id)
    path = f"/incidents/{part(incident_id)}/books"
    return books.close(
        incident,
        services.get("entitlements", path),
        services.get("billing", path),
        services.get("notifications", path),
        _compare(services, incident_id, "entitlements", "billing", items=True),
        _compare(services, incident_id, "billing", "notifications", items=False),
        now(),
    )


def _compare(services: Services, incident_id: str, left: str, right: str, *, items: bool) -> Differences:
    """Who is held by one service and not by the other: whole buckets first, then the members of those that differ."""
    path = f"/census/{part(incident_id)}/buckets"
    found = Differences()
    for bucket in census.differing(services.get(left, path), services.get(right, path), items=items):
        members = (services.get(service, f"{path}/{bucket}") for service in (left, right))
        found |= census.differences(*members, items=items)
    return found


def show(result: dict[str, Any]) -> None:
    """The books as a table for people."""
    title = marked(f"{result['incident_id']}, revision {result['revision']}", result["drill"])
    table = Table(title=escape(title), title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    customers, remedies, reversals = result["customers"], result["remedies"], result["reversals"]
    table.add_row("customers considered", f"{customers['considered']:,}", "= entitled + excluded")
    table.add_row("  entitled", f"{customers['entitled']:,}", "= adjusted + quarantined")
    table.add_row("  excluded", f"{customers['excluded']:,}", reasons(result["exclusions"]))
    table.add_row("customers adjusted", f"{customers['adjusted']:,}", "= letters")
    table.add_row("customers quarantined", f"{customers['quarantined']:,}", "")
    table.add_section()
    table.add_row("remedies granted", f"{remedies['granted']:,}", "= applied + refused")
    table.add_row("  applied", f"{remedies['applied']:,}", "")
    table.add_row("  refused", f"{remedies['refused']:,}", reasons(result["refusals"]))
    if "substituted" in remedies:
        table.add_row("  substituted", f"{remedies['substituted']:,}", "in place of what was refused")
    if reversals["asked"]:
        table.add_row("remedies withdrawn", f"{reversals['asked']:,}", "= taken back + standing")
        table.add_row("  taken back", f"{reversals['applied']:,}", "")
        table.add_row("  standing", f"{reversals['refused']:,}", reasons(reversals["stands"]))
    table.add_row("days granted", f"{result['days_granted']:,}", f"{result['days_applied']:,} applied")
    for currency, amount in result["liability"].items():
        table.add_row("liability", f"{amount} {currency}", "vouchers and credits at face value")
    table.add_section()
    for kind, states in result["letters"].items():
        for status, count in states.items():
            if count or status == "sent":
                table.add_row(f"{kind} letters {status.replace('_', ' ')}", f"{count:,}", "")
    data.print(table)
    if result["closed"]:
        data.print("[bold green]The books close.[/]")
    for one in result["gaps"]:
        data.print(f"[bold red]gap:[/] {escape(one)}")
