"""`amends policy …`: check and try policies before they are published, look at published ones, compare two.

Policies are entitlements' matter: what reads a file runs as a job of that service, in a process of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from services.cli import diff
from services.cli.asking import ROOT, Root, Services, part
from services.cli.errors import CommandError
from services.cli.jobs import Done, job
from services.cli.output import Format, Output, data, print_json

app = typer.Typer(no_args_is_help=True, help="Check and try policies, look at published ones, compare two.")
app.command("diff")(diff.diff_command)
Files = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE...")]
Where = Annotated[
    Path | None, typer.Argument(exists=True, readable=True, metavar="[FILE|FOLDER]", help="Default: the shipped ones.")
]


@app.command("check")
def check_command(files: Files, output: Output = Format.TEXT) -> None:
    """Check policy files; what is wrong is named with its path, its value and what would be right."""
    _tell(job("entitlements", "policy-check", *map(str, files)), output)


@app.command("test")
def examples_command(where: Where = None, output: Output = Format.TEXT) -> None:
    """Run the examples kept beside policies: facts in, verdicts out."""
    _tell(job("entitlements", "policy-test", *([str(where)] if where else [])), output)


@app.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of a policy file, for editors."""
    done = job("entitlements", "policy-schema")
    if not done.well:
        raise CommandError("\n".join(done.said))
    data.print(done.out, markup=False, end="")


def _tell(done: Done, output: Format) -> None:
    """What a job found: as it said it, or as JSON; raises `CommandError` with what is wrong."""
    if output is Format.JSON:
        print_json({"well": done.well, "told": done.out.splitlines(), "problems": done.said})
    else:
        data.print(done.out, markup=False, end="")
    if not done.well:
        raise CommandError("\n".join(done.said) or "not all is as it should be")


@app.command("list")
def list_command(root: Root = ROOT, output: Output = Format.TEXT) -> None:
    """List the published policies."""
    known = Services(root).get("entitlements", "/policies")
    if output is Format.JSON:
        print_json(known)
    else:
        for key in known:
            data.print(key, markup=False)


@app.command("show")
def show_command(
    key: Annotated[str, typer.Argument(metavar="NAME@VERSION")], root: Root = ROOT, output: Output = Format.TEXT
) -> None:
    """Show a policy as it was published."""
    services = Services(root)
    try:
        found: dict[str, Any] = services.get("entitlements", f"/policies/{part(key)}")
    except KeyError:
        known = ", ".join(services.get("entitlements", "/policies"))
        raise CommandError(f"no policy {key}; known are {known}") from None
    if output is Format.JSON:
        print_json(found)
    else:
        data.print(f"# {key}, published at {found['published_at']}, digest {found['digest']}", markup=False)
        data.print(yaml.safe_dump(found["body"], sort_keys=False, allow_unicode=True), markup=False, end="")
