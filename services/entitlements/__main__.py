"""`python -m services.entitlements serve | migrate`, or one of its jobs: entitlements as a process."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from services.entitlements import app, policy_jobs, story_jobs
from services.entitlements.policy_errors import PolicyError
from services.entitlements.settings import Settings
from services.entitlements.store import MIGRATIONS
from services.runtime import service

JOBS = {**policy_jobs.JOBS, **story_jobs.JOBS}
USAGE = f"{policy_jobs.USAGE} | {story_jobs.USAGE}"


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code. The jobs need nothing of what the service needs."""
    if arguments and arguments[0] in JOBS:
        return JOBS[arguments[0]](arguments[1:])
    code = service.main(arguments, app.NAME, Settings, MIGRATIONS, app.serve, told=(PolicyError,))
    if code == 2:
        sys.stderr.write(f"   or: python -m services.{app.NAME} {USAGE}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
