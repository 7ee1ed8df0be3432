"""`python -m services.entitlements serve | migrate`, or one of the jobs of `policy_jobs`: entitlements as a process."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from services.entitlements import app, policy_jobs
from services.entitlements.policy_errors import PolicyError
from services.entitlements.settings import Settings
from services.entitlements.store import MIGRATIONS
from services.runtime import service


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code. The jobs need nothing of what the service needs."""
    if arguments and arguments[0] in policy_jobs.JOBS:
        return policy_jobs.JOBS[arguments[0]](arguments[1:])
    code = service.main(arguments, app.NAME, Settings, MIGRATIONS, app.serve, told=(PolicyError,))
    if code == 2:
        sys.stderr.write(f"   or: python -m services.{app.NAME} {policy_jobs.USAGE}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
