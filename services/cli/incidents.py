"""`amends incidents`: the incidents, the latest first, and where each of them is."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from services.cli.asking import ROOT, Root, Services
from services.cli.hold import STATES
from services.cli.output import Format, Output, data, print_json


def incidents_command(root: Root = ROOT, output: Output = Format.TEXT) -> None:
    """List the latest incidents: state, revision, how many customers are considered, and which are drills."""
    found = Services(root).get("entitlements", "/incidents")
    if output is Format.JSON:
        print_json(found)
        return
    if not found:
        data.print("none was declared yet: `amends declare FILE`")
        return
    table = Table("incident", "", "policy", "revision", "state", "customers", "title")
    for row in found:
        state = "paused" if row["paused"] else "held" if row["held"] else row["state"] or "held"
        table.add_row(
            escape(row["incident_id"]),
            "[yellow]drill[/]" if row["drill"] else "",
            row["policy"],
            str(row["revision"]),
            STATES.get(state, state),
            f"{row['customers'] or 0:,}",
            escape(row["title"]),
        )
    data.print(table)
