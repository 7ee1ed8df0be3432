"""Laid on a service's PYTHONPATH: its wall clock follows a file, AMENDS_TEST_CLOCK, which holds an offset in seconds.

Only what asks for the wall clock sees it; monotonic time, deadlines and the event loop are as they were.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

_LOOK_EVERY_SECONDS = 0.1


def _follow(path: Path) -> None:
    offset, travel = 0.0, None
    while True:
        told = float(path.read_text() or 0) if path.exists() else 0.0
        if told != offset:
            if travel is not None:
                travel.stop()
            travel = time_machine.travel(datetime.now(UTC) + timedelta(seconds=told), tick=True)
            travel.start()
            offset = told
        time.sleep(_LOOK_EVERY_SECONDS)


threading.Thread(target=_follow, args=(Path(os.environ["AMENDS_TEST_CLOCK"]),), daemon=True, name="clock").start()
