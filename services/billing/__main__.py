"""`python -m services.billing serve | migrate | import-contracts FILE`: billing as a process."""

from __future__ import annotations

import sys
from pathlib import Path

from schemas.csv_files import CsvErrors
from services.billing import app, imports
from services.billing.settings import Settings
from services.billing.store import MIGRATIONS
from services.runtime import service, settings


def main(arguments: list[str]) -> int:
    """Run one command; returns the process's exit code."""
    match arguments:
        case ["serve"]:
            loaded = settings.load(Settings)
            return service.start(app.NAME, loaded, lambda: app.serve(loaded))
        case ["migrate"]:
            loaded = settings.load(Settings)
            return service.start(app.NAME, loaded, lambda: service.migrate(loaded, MIGRATIONS))
        case ["import-contracts", file]:
            loaded = settings.load(Settings)
            try:
                return service.start(app.NAME, loaded, lambda: imports.contracts(loaded, Path(file)))
            except (CsvErrors, OSError) as error:
                sys.stderr.write(f"{error}\n")
                return 1
    sys.stderr.write(f"{__doc__}\n")
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
