"""`amends preview FILE|INCIDENT`: what a run would come to, rule by rule, with sample letters; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from services.cli import samples
from services.cli.asking import ROOT, Root, Services, part
from services.cli.declarations import read
from services.cli.errors import CommandError
from services.cli.output import Format, Output, data, print_json
from services.cli.progress import through
from services.cli.words import marked, money, reasons

What = Annotated[str, typer.Argument(metavar="FILE|INCIDENT", help="A declaration, or an incident that was declared.")]
PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy", exists=True, dir_okay=False, help="Under this policy file, published or not.", metavar="FILE"
    ),
]
Letters = Annotated[int, typer.Option("--letters", min=0, max=5, help="How many sample letters of each kind.")]
Language = Annotated[str, typer.Option("--language", help="The language of the sample letters.", metavar="LANGUAGE")]


def preview_command(
    what: What,
    root: Root = ROOT,
    output: Output = Format.TEXT,
    policy: PolicyFile = None,
    letters: Letters = 1,
    language: Language = "en",
) -> None:
    """Show what an incident would come to: per rule its customers, days and money at most, and letters to look at."""
    services = Services(root)
    asked, declaration = subject(services, what)
    text = policy.read_text("utf-8") if policy else None
    body = asked if text is None else {**asked, "policy": {"text": text}}
    preview = through(services, "/previews", body, "preview", "customers looked at")
    told = samples.told_of(services, preview["policy"], text)
    preview["letters"] = samples.letters(services, declaration, preview["samples"], told, letters, language)
    if output is Format.JSON:
        print_json(preview)
    else:
        show(preview)


def subject(services: Services, what: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What to ask entitlements about, and the declaration that letters are written from.

    A file that is there is read; any other name is an incident's. Raises `CommandError` when it is neither.
    """
    file = Path(what)
    if file.is_file():
        declaration = read(file).model_dump(mode="json")
        return {"declaration": declaration}, declaration
    try:
        incident = services.get("entitlements", f"/incidents/{part(what)}")
    except KeyError:
        raise CommandError(
            f"{what} is neither a file nor an incident that was declared: see `amends incidents`"
        ) from None
    if incident["body"] is None:
        raise CommandError(f"{what} was never stated whole: it waits for revision {incident['waits_for']}")
    known = {name: incident[name] for name in ("impact", "scope", "revision") if name in incident}
    return {"incident_id": what}, {**incident["body"], **known}


def show(preview: Mapping[str, Any]) -> None:
    """A preview as tables for people."""
    customers = preview["customers"]
    title = marked(
        f"{preview['incident_id']}, revision {preview['revision']}, under {preview['policy']}", preview["drill"]
    )
    data.print(title, markup=False)
    data.print(
        f"{customers['considered']:,} customers considered: {customers['entitled']:,} entitled, "
        f"{customers['excluded']:,} excluded"
        + (f" ({reasons(preview['exclusions'])})" if preview["exclusions"] else "")
    )
    data.print(rules(preview))
    if preview["substitutes"]:
        data.print(f"of that at most {money(preview['substitutes'])} in place of what billing has to refuse")
    for one in preview["withdrawals"]:
        data.print(withdrawal(one), markup=False)
    for line in budget(preview):
        data.print(line, markup=False)
    data.print(f"plan {preview['plan']}")
    for letter in preview["letters"]:
        data.rule(f"{letter['kind']} letter to {escape(letter['customer_id'])}")
        data.print(f"Subject: {letter['subject']}\n\n{letter['text']}", markup=False)


def rules(preview: Mapping[str, Any]) -> Table:
    """What each rule gives, and all of them together."""
    table = Table("remedy")
    table.add_column("rule", overflow="fold")
    for name in ("customers", "contracts", "remedies", "days", "at most"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in preview["rules"]:
        numbers = [f"{one[name]:,}" for name in ("customers", "contracts", "remedies", "days")]
        table.add_row(one["kind"], escape(one["rule"]), *numbers, money(one["money"]) if one["money"] else "")
    table.add_section()
    table.add_row(
        "all", "", f"{preview['customers']['entitled']:,}", "", "", f"{preview['days']:,}", money(preview["money"])
    )
    return table


def withdrawal(one: Mapping[str, Any]) -> str:
    """What a rule withdraws, and what of it stands all the same."""
    back = one["entries"] - one["honoured"]
    worth = [f"{one['days']:,} days"] if one["days"] else []
    worth += [money(one["money"])] if one["money"] else []
    taken = f"{back:,} taken back" + (f" ({', '.join(worth)})" if worth else "")
    return f"{one['rule']}: {one['entries']:,} entries are no longer owed: {taken}, {one['honoured']:,} honoured"


def budget(preview: Mapping[str, Any]) -> list[str]:
    """What the policy's budget says to it; nothing without one."""
    limit = preview.get("budget")
    if not limit or not limit["ceiling"]:
        return []
    told = [f"{money(preview['spent'])} granted before; the ceiling is {money(limit['ceiling'])}"]
    if limit["needs_approval"]:
        told.append(f"it needs approval: {money(limit['without_approval'])} does not")
    if limit["past_ceiling"]:
        told.append("it would halt at the ceiling")
    return told
