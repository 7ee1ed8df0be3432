"""The `amends` command: its parts, and what becomes of an error."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType

import typer

from deploy.local.errors import StackError
from services.cli import imports, policies, quarantine
from services.cli.approve import approve_command, pause_command, resume_command
from services.cli.audit import audit_command
from services.cli.declare import amend_command, declare_command, resolve_command, retract_command
from services.cli.demo import demo_command
from services.cli.errors import CommandError
from services.cli.explain import explain_command
from services.cli.incidents import incidents_command
from services.cli.letters import letters_command
from services.cli.output import people
from services.cli.preview import preview_command
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
app.add_typer(policies.app, name="policy")
app.add_typer(quarantine.app, name="quarantine")
_COMMANDS: dict[str, Callable[..., None]] = {
    "up": up_command,
    "down": down_command,
    "status": status_command,
    "preview": preview_command,
    "declare": declare_command,
    "amend": amend_command,
    "resolve": resolve_command,
    "retract": retract_command,
    "approve": approve_command,
    "pause": pause_command,
    "resume": resume_command,
    "incidents": incidents_command,
    "watch": watch_command,
    "reconcile": reconcile_command,
    "explain": explain_command,
    "letters": letters_command,
    "audit": audit_command,
    "rerun": rerun_command,
    "republish": republish_command,
    "demo": demo_command,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)


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
