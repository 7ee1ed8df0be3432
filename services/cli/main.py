"""The `amends` command: its parts, and what becomes of an error."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer

from deploy.local.errors import StackError
from services.cli import imports
from services.cli.declare import declare_command
from services.cli.demo import demo_command
from services.cli.errors import CommandError
from services.cli.explain import explain_command
from services.cli.letters import letters_command
from services.cli.output import people
from services.cli.reconcile import reconcile_command
from services.cli.republish import republish_command
from services.cli.rerun import rerun_command
from services.cli.stack_commands import down_command, status_command, up_command
from services.cli.watch import watch_command

app = typer.Typer(
    name="amends",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Turn an incident into remedies: who is owed what, applied once, told once, and books that close.",
)
app.add_typer(imports.app, name="import")
app.command("up")(up_command)
app.command("down")(down_command)
app.command("status")(status_command)
app.command("declare")(declare_command)
app.command("watch")(watch_command)
app.command("reconcile")(reconcile_command)
app.command("explain")(explain_command)
app.command("letters")(letters_command)
app.command("rerun")(rerun_command)
app.command("republish")(republish_command)
app.command("demo")(demo_command)


def _terminated(number: int, _frame: FrameType | None) -> None:
    """End as on Ctrl-C, so that what was started is ended too."""
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line: 0 done, 1 not done, 2 wrong usage."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except (CommandError, StackError) as error:
        people.print(str(error), markup=False, style="red", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
