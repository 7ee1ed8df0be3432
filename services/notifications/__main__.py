"""`python -m services.notifications serve | migrate`: notifications as a process."""

from __future__ import annotations

import sys

from services.notifications import app
from services.notifications.journal import JournalError
from services.notifications.settings import Settings
from services.notifications.store import MIGRATIONS
from services.runtime import service

if __name__ == "__main__":
    sys.exit(service.main(sys.argv[1:], app.NAME, Settings, MIGRATIONS, app.serve, told=(JournalError,)))
