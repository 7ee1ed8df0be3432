"""`amends up|down|status`: the local stack, a real Kafka, PostgreSQL and mail sink with the services on top."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from deploy.local import stack
from services.cli.asking import ROOT, Root
from services.cli.errors import CommandError
from services.cli.halts import troubles
from services.cli.output import Format, Output, data, people, print_json

Fresh = Annotated[bool, typer.Option("--fresh", help="Forget everything first.")]
Workers = Annotated[str, typer.Option("--workers", metavar="SERVICE=N,…", help="How many processes each service has.")]
Policies = Annotated[
    Path | None,
    typer.Option("--policies", exists=True, file_okay=False, help="Your own policies, in place of those shipped."),
]


def up_command(
    root: Root = ROOT,
    fresh: Fresh = False,
    workers: Workers = "",
    policies: Policies = None,
    output: Output = Format.TEXT,
) -> None:
    """Start what does not run yet, and wait until all is ready."""
    counts = _counts(workers)
    started = time.monotonic()
    with people.status("starting") as status:
        running = stack.up(root, fresh=fresh, workers=counts, policies=policies, on_step=status.update)
    if output is Format.JSON:
        print_json({"stack": str(root / "stack.json"), "http": dict(running.http)})
    else:
        data.print(f"up after {time.monotonic() - started:.1f} s; where everything is: {root / 'stack.json'}")


def _counts(workers: str) -> dict[str, int]:
    try:
        pairs = [pair.split("=") for pair in workers.split(",") if pair]
        return {service: int(count) for service, count in pairs}
    except ValueError:
        raise typer.BadParameter(f"{workers!r}: write SERVICE=N, such as entitlements=2,billing=2") from None


def down_command(root: Root = ROOT) -> None:
    """End the stack and leave no process; its data stays."""
    with people.status("ending") as status:
        stack.down(root, on_step=status.update)


def status_command(root: Root = ROOT, output: Output = Format.TEXT) -> None:
    """Say what runs; exits with 1 unless everything does."""
    components = stack.status(root)
    if not components:
        raise CommandError(f"no stack was ever started at {root}: start one with `amends up`")
    wrong = troubles(stack.Stack.load(root)) if any(component.running for component in components) else {}
    if output is Format.JSON:
        print_json(
            [
                {"name": c.name, "pid": c.pid, "port": c.port, "running": c.running}
                | ({"wrong": wrong[c.name]} if c.name in wrong else {})
                for c in components
            ]
        )
    else:
        table = Table("component", "port", "pid", "")
        for c in components:
            state = "[green]runs[/]" if c.running else "[red]does not run[/]"
            table.add_row(c.name, str(c.port), str(c.pid or ""), "[red]does not work[/]" if c.name in wrong else state)
        data.print(table)
    if not all(component.running for component in components):
        raise CommandError("not everything runs: `amends up` starts what is missing")
    if wrong:
        raise CommandError("\n".join(f"{name}: {problem}" for name, problem in wrong.items()))
