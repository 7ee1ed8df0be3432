"""`python -m services.billing serve | migrate | import-contracts FILE`: billing as a process."""

from __future__ import annotations

import sys

from schemas.csv_files import CsvErrors
from services.billing import app, imports
from services.billing.settings import Settings
from services.billing.store import MIGRATIONS
from services.runtime import service

if __name__ == "__main__":
    sys.exit(
        service.main(
            sys.argv[1:],
            app.NAME,
            Settings,
            MIGRATIONS,
            app.serve,
            jobs={"import-contracts": imports.contracts},
            told=(CsvErrors, imports.LostEndsError, OSError),
        )
    )
