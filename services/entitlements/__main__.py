"""`python -m services.entitlements serve | migrate`: entitlements as a process."""

from __future__ import annotations

import sys

from services.entitlements import app
from services.entitlements.policy_errors import PolicyError
from services.entitlements.settings import Settings
from services.entitlements.store import MIGRATIONS
from services.runtime import service

if __name__ == "__main__":
    sys.exit(service.main(sys.argv[1:], app.NAME, Settings, MIGRATIONS, app.serve, told=(PolicyError,)))
