"""`amends letters CUSTOMER`: what a customer was written, and what became of it."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.asking import ROOT, Root, Services, part
from services.cli.output import Format, Output, data, print_json
from services.cli.story import letter

Text = Annotated[bool, typer.Option("--text", help="Show the letters' text too.")]


def letters_command(customer_id: str, root: Root = ROOT, output: Output = Format.TEXT, text: Text = False) -> None:
    """List a customer's letters, the latest first."""
    services = Services(root)
    found = services.get("notifications", f"/customers/{part(customer_id)}/letters", as_operator=True)
    if text:
        for one in found:
            one |= services.get("notifications", f"/letters/{one['letter_id']}", as_operator=True)
    if output is Format.JSON:
        print_json(found)
        return
    if not found:
        data.print(f"no letter to customer {customer_id}")
    for one in found:
        data.print(f"{one['incident_id']}: {letter(one)}", markup=False)
        if text:
            data.print(f"\nSubject: {one['subject']}\n\n{one['text']}", markup=False)
