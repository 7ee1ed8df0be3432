"""`amends policy diff A B --incident X`: the same incident under two policies: who gains, who loses, what it costs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from services.cli.asking import ROOT, Root, Services
from services.cli.errors import CommandError
from services.cli.output import Format, Output, data, print_json
from services.cli.preview import subject
from services.cli.progress import through
from services.cli.words import money

A = Annotated[str, typer.Argument(metavar="A", help="A published policy (name@version), or a policy file.")]
B = Annotated[str, typer.Argument(metavar="B", help="The one to compare it with.")]
Incident = Annotated[
    str, typer.Option("--incident", help="The incident, or a declaration in a file.", metavar="FILE|INCIDENT")
]
_KEY = re.compile(r"[a-z0-9][a-z0-9-]*@[1-9][0-9]*")


def diff_command(a: A, b: B, incident: Incident, root: Root = ROOT, output: Output = Format.TEXT) -> None:
    """Compare what an incident comes to under two policies; nothing is changed."""
    policies = {"a": named(a), "b": named(b)}
    services = Services(root)
    asked, _ = subject(services, incident)
    found = through(services, "/diffs", {**asked, **policies}, "diff", "customers compared")
    if output is Format.JSON:
        print_json(found)
    else:
        show(found)


def named(what: str) -> str | dict[str, str]:
    """A policy by its key, or a file's text; raises `CommandError` for what is neither."""
    file = Path(what)
    if file.is_file():
        try:
            return {"text": file.read_text("utf-8")}
        except UnicodeDecodeError as error:
            raise CommandError(f"{file.name}: byte {error.start} is not UTF-8: save the file as UTF-8") from None
    if not _KEY.fullmatch(what):
        raise CommandError(f"{what} is neither a file nor a published policy's name@version: see `amends policy list`")
    return what


def show(found: Mapping[str, Any]) -> None:
    """A comparison as tables for people."""
    table = Table("", f"A {escape(found['a'])}", f"B {escape(found['b'])}", title_justify="left")
    for name in ("days", "addons"):
        table.add_row(name, *[f"{found[name][side]:,}" for side in "ab"])
    table.add_row("money", *[money(found["money"][side]) for side in "ab"])
    data.print(table)
    told = {"gain": "gain by B", "lose": "lose by B", "mixed": "gain and lose", "same": "get the same"}
    for verdict, words in told.items():
        data.print(f"{found[verdict]:>9,} of {found['customers']:,} customers {words}")
        for sample in found["samples"].get(verdict, ()):
            data.print(f"          {one(sample)}", markup=False)


def one(sample: Mapping[str, Any]) -> str:
    """What a customer gets under both."""
    return f"{sample['customer_id']}: {_worth(sample['a'])} under A, {_worth(sample['b'])} under B"


def _worth(units: Mapping[str, str]) -> str:
    return ", ".join(f"{amount} {unit}" for unit, amount in units.items()) or "nothing"
