"""`amends rerun INCIDENT`: run a plan again, for contracts that came late; only what is missing is granted."""

from __future__ import annotations

from services.cli.asking import ROOT, Root, Services, part
from services.cli.output import Format, Output, data, print_json


def rerun_command(incident_id: str, root: Root = ROOT, output: Output = Format.TEXT) -> None:
    """Run an incident's plan again; who has been granted something is granted nothing twice."""
    services = Services(root)
    services.incident(incident_id)
    run = services.ask("entitlements", f"/incidents/{part(incident_id)}/runs")
    if output is Format.JSON:
        print_json(run)
    else:
        data.print(f"run {run['run']} of {incident_id}, revision {run['revision']}: amends watch {incident_id}")
