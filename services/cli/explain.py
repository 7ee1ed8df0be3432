"""`amends explain INCIDENT CUSTOMER`: the whole story of one customer, in words or as JSON, from the stored facts.

The JSON holds everything that was judged by: `amends explain --check FILE` judges it again, without any service.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import orjson
import typer

from services.cli.asking import ROOT, Root, Services, part
from services.cli.errors import CommandError
from services.cli.jobs import job
from services.cli.output import Format, Output, data, print_json
from services.cli.story import lines

Incident = Annotated[str | None, typer.Argument(metavar="INCIDENT")]
Customer = Annotated[str | None, typer.Argument(metavar="CUSTOMER")]
Check = Annotated[
    Path | None,
    typer.Option(
        "--check", exists=True, dir_okay=False, help="Judge a story that was kept as JSON again.", metavar="FILE"
    ),
]


def explain_command(
    incident_id: Incident = None,
    customer_id: Customer = None,
    root: Root = ROOT,
    output: Output = Format.TEXT,
    check: Check = None,
) -> None:
    """Say why a customer is owed what he is owed, and what became of it; with --check judge a kept story again."""
    if check is not None:
        if incident_id is not None:
            raise typer.BadParameter("either INCIDENT CUSTOMER or --check FILE")
        _check(check, output)
        return
    if incident_id is None or customer_id is None:
        raise typer.BadParameter("name an INCIDENT and a CUSTOMER, or a kept story with --check FILE")
    story = explain(Services(root), incident_id, customer_id)
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
        "title": incident["title"],
        "policy": incident["policy"],
        "drill": incident["drill"],
        "retracted": incident["retracted"],
        "customer_id": customer_id,
        "entitlement": decided,
        "billing": services.get("billing", path),
        "account": services.get("billing", f"/customers/{part(customer_id)}/account"),
        "letters": services.get(
            "notifications",
            f"/customers/{part(customer_id)}/letters?incident_id={part(incident_id)}",
            as_operator=True,
        ),
    }


def _check(file: Path, output: Format) -> None:
    """Judge a kept story again by its own facts; raises `CommandError` with what comes out differently."""
    decided = judged_part(file)
    with TemporaryDirectory() as folder:
        kept = Path(folder) / "story.json"
        kept.write_bytes(orjson.dumps(decided))
        done = job("entitlements", "explain-check", str(kept))
    flaws = [line for line in [*done.out.splitlines(), *done.said] if line]
    if output is Format.JSON:
        print_json({"incident_id": decided["incident_id"], "customer_id": decided["customer_id"], "true": done.well})
    elif done.well:
        runs = len(decided["runs"])
        data.print(f"{file.name} is true to its facts: judged again, {runs} runs say the same", markup=False)
    if not done.well:
        raise CommandError("\n".join([f"{file.name} is not true to its facts:", *flaws]))


def judged_part(file: Path) -> dict[str, Any]:
    """What of a kept story can be judged again; raises `CommandError` for a file that is no story."""
    try:
        story = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise CommandError(
            f"{file.name} is not JSON ({error}): keep what `amends explain --output json` prints"
        ) from None
    decided = story.get("entitlement", story) if isinstance(story, dict) else None
    if not isinstance(decided, dict) or not {"incident_id", "customer_id", "runs"} <= decided.keys():
        raise CommandError(
            f"{file.name} is no story: keep what `amends explain INCIDENT CUSTOMER --output json` prints"
        )
    return decided
