"""`amends audit INCIDENT [--verify]`: who declared, approved, paused or took back what, and is the chain whole?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from schemas.audit import flaws
from services.cli.asking import ROOT, Root, Services
from services.cli.errors import CommandError
from services.cli.orders import Entry, trail
from services.cli.output import Format, Output, data, print_json
from services.cli.words import plain

Verify = Annotated[bool, typer.Option("--verify", help="Recompute the chain of hashes; exits with 1 if it is broken.")]

_UNSAID = ("event_id", "digest", "policy_digest")
"""What tells a person nothing; it is in the JSON."""


def audit_command(incident_id: str, root: Root = ROOT, output: Output = Format.TEXT, verify: Verify = False) -> None:
    """Show an incident's audit trail; with --verify recompute its chain, and name what was changed."""
    services = Services(root)
    ends = services.incident(incident_id)["audit"]
    entries = trail(services, incident_id)
    found = broken(incident_id, entries, ends) if verify else []
    if output is Format.JSON:
        told = {"incident_id": incident_id, "entries": entries}
        print_json(told | {"whole": not found, "flaws": found} if verify else told)
    else:
        for entry in entries:
            data.print(line(entry), markup=False)
        if verify and not found:
            data.print(f"[bold green]The chain is whole:[/] {len(entries)} entries, head {ends['head']}")
    if found:
        raise CommandError("\n".join([f"the audit trail of {incident_id} is not whole", *found]))


def broken(incident_id: str, entries: Sequence[Entry], ends: Mapping[str, Any]) -> list[str]:
    """What is wrong with a trail that is said to end so: an entry was changed, is missing, or the last ones are."""
    found = flaws(incident_id, entries)
    if len(entries) != ends["entries"]:
        found.append(f"{len(entries)} entries are there, and there were {ends['entries']}")
    elif entries and entries[-1]["hash"] != ends["head"]:
        found.append(f"entry {len(entries)} is not the one that the trail ended with")
    return found


def line(entry: Entry) -> str:
    """An entry in words."""
    told = [
        f"{plain(name)} {_told(value)}"
        for name, value in entry["detail"].items()
        if name not in _UNSAID and value not in (None, {}, [])
    ]
    return f"{entry['number']:>3}  {entry['at']}  {entry['actor']}: {plain(entry['action'])}" + "".join(
        f", {words}" for words in told
    )


def _told(value: Any) -> str:
    """A detail's value in words: money by currency as `5.00 EUR`."""
    if isinstance(value, dict):
        return ", ".join(f"{amount} {unit}" for unit, amount in value.items())
    return str(value)
