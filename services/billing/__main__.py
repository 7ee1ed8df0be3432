"""`python -m services.billing serve | migrate | import-contracts FILE [--map MAP]`: billing as a process."""

from __future__ import annotations

import sys
from functools import partial

from schemas.csv_files import CsvErrors
from schemas.mapping.language import MapError
from services.billing import app, imports
from services.billing.settings import Settings
from services.billing.store import MIGRATIONS
from services.runtime import service

IMPORT = "import-contracts"


def main(arguments: list[str]) -> int:
    """Run one of billing's commands; returns the exit code."""
    job = imports.contracts
    match arguments:
        case [name, file, "--map", mapped_by] if name == IMPORT:
            arguments, job = [name, file], partial(imports.contracts, mapped_by=mapped_by)
    return service.main(
        arguments,
        app.NAME,
        Settings,
        MIGRATIONS,
        app.serve,
        jobs={IMPORT: job},
        told=(CsvErrors, MapError, imports.LostEndsError, OSError),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
