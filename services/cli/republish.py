"""`amends republish`: publish every outbox once more, after the topics were lost; the ids make it harmless."""

from __future__ import annotations

from services.cli.asking import ROOT, Root, Services
from services.cli.output import Format, Output, data, print_json
from services.cli.progress import counting

# In the order of the journey, so that what comes first is there first.
_SERVICES = ("billing", "entitlements", "notifications")


def republish_command(root: Root = ROOT, output: Output = Format.TEXT) -> None:
    """Publish all that the services ever published once more, from their outboxes."""
    services = Services(root)
    records = {}
    for service in _SERVICES:
        records[service] = 0
        with counting(service) as show:
            for told in services.post(service, "/republish"):
                records[service] = told["records"]
                show("records published", told["records"])
    if output is Format.JSON:
        print_json({"records": records})
    else:
        data.print(", ".join(f"{service}: {count:,} records" for service, count in records.items()))
