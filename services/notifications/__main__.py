"""`python -m services.notifications serve | migrate`: notifications as a process."""

from __future__ import annotations

import sys

from services.notifications import app
from services.notifications.journal import JournalError
from services.notifications.settings import Settings
from services.notifications.store import MIGRATIONS
from services.runtime import service, settings


def main(arguments: list[str]) -> int:
    """Run one command; returns the process's exit code."""
    match arguments:
        case ["serve"]:
            loaded = settings.load(Settings)
            try:
                return service.start(app.NAME, loaded, lambda: app.serve(loaded))
            except JournalError as error:
                sys.stderr.write(f"{error}\n")
                return 1
        case ["migrate"]:
            loaded = settings.load(Settings)
            return service.start(app.NAME, loaded, lambda: service.migrate(loaded, MIGRATIONS))
    sys.stderr.write(f"{__doc__}\n")
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
