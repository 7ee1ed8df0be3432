"""A service's nursery: a process that has read its code, rewritten with points, and forks a life of it on demand.

A life is a process as `python -m services.NAME serve` is, begun in milliseconds and told what to do at its points. One
life at a time. Talks with whoever started it in lines of JSON: a life's wish in, its pid and its end out. Two things
are another way in a life than in production: it joins a consumer group of its own, for the broker would wait six
seconds for a member that was killed (a group's name decides nothing: positions are in the database), and its waits and
bounds are smaller. Leaves to `deaths` which lives are wished for.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import sys
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.faults import points
from tests.faults.boundaries import Finder

_SMALLER: dict[str, dict[str, Any]] = {
    "services.runtime.consumer": {"_POLL_SECONDS": 0.1, "_FIRST_PAUSE_SECONDS": 0.02, "_LONGEST_PAUSE_SECONDS": 0.05},
    "services.runtime.service": {"_FIRST_PAUSE_SECONDS": 0.02, "_LONGEST_PAUSE_SECONDS": 0.05},
    "services.runtime.relay": {"_SWEEP_SECONDS": 0.3, "_STALE_AFTER": timedelta(seconds=1), "_BATCH_BYTES": 4_096},
    "services.entitlements.plan": {"_LOOK_AGAIN_SECONDS": 0.2},
    "services.entitlements.worker": {"_LOOK_AGAIN_SECONDS": 0.2},
    "services.notifications.sender": {"_LOOK_AGAIN_SECONDS": 0.2, "_TIDY_SECONDS": 0.3, "_FIRST_PAUSE_SECONDS": 0.1},
    "services.notifications.journal": {"COMPACT_ABOVE_OCTETS": 340},
    "services.notifications.retractions": {"_LOOK_AGAIN_SECONDS": 0.3},
}
"""Waits of the services in seconds, and sizes that a small customer base would never come to."""

_READ_LATE = ("pydantic.v1", "uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto", "uvicorn.lifespan.off",
              "encodings.idna")  # fmt: skip
"""What a service reads only once it serves: read before, a life costs half."""


def main(service: str) -> None:
    """Read the service's code, then serve wishes until there are none."""
    sys.meta_path.insert(0, Finder())  # type: ignore[arg-type]
    for module in (f"services.{service}.__main__", *_READ_LATE):
        importlib.import_module(module)
    del sys.modules[f"services.{service}.__main__"]  # each life is that program itself
    for name, smaller in _SMALLER.items():
        known = sys.modules.get(name)
        for what, value in smaller.items() if known else ():
            assert hasattr(known, what), f"{name}.{what} is not there any more"
            setattr(known, what, value)
    gc.freeze()
    _say({"ready": service})
    for line in sys.stdin:
        wish = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _live(service, wish)
        _say({"pid": pid})
        _, status = os.waitpid(pid, 0)
        _say({"ended": os.waitstatus_to_exitcode(status)})


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _live(service: str, wish: dict[str, Any]) -> None:
    """Be the service until the end; never returns."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(wish["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        _group_of_its_own()
        spared = frozenset(wish["spared"])
        points.begin(wish["mode"], Path(wish["points"]), spared=spared, only=wish["only"], ways=wish["ways"])
        sys.argv = [service, *wish["arguments"]]
        runpy.run_module(f"services.{service}", run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 — as the interpreter would
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _group_of_its_own() -> None:
    from services.runtime import broker

    join: Any = broker.join

    async def alone(kafka: str, group: str, *rest: Any) -> Any:
        return await join(kafka, f"{group}.{os.getpid()}", *rest)

    broker.join = alone  # type: ignore[assignment]


if __name__ == "__main__":
    main(sys.argv[1])
