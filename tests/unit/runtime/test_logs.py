"""Logs are one JSON object a line on stderr, with the service and the worker in each."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from typing import Any

SCRIPT = """
import logging
import structlog
from services.runtime import logs

logs.configure("billing", "b7", "info")
log = structlog.get_logger()
log.debug("too quiet to be seen")
log.info("batch committed", records=3)
try:
    raise ValueError("first line\\nsecond line")
except ValueError:
    log.exception("went wrong")
logging.getLogger("aiokafka.consumer").error("cannot reach %s", "node 1")
logging.getLogger("uvicorn.error").info("too quiet too")
try:
    raise ValueError("mario@example.com")
except ValueError:
    logging.getLogger("asyncpg.pool").warning("went wrong", exc_info=True)
"""


def lines() -> list[dict[str, Any]]:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_every_line_is_a_json_object_that_says_who_when_and_what() -> None:
    committed, wrong, library, other = lines()
    for line in (committed, wrong, library, other):
        assert (line["service"], line["worker"]) == ("billing", "b7")
        assert datetime.fromisoformat(line["at"]).utcoffset() is not None
    assert (committed["event"], committed["level"], committed["records"]) == ("batch committed", "info", 3)
    assert (wrong["event"], wrong["level"]) == ("went wrong", "error")
    assert "second line" in wrong["exception"]
    assert (library["logger"], library["message"]) == ("aiokafka.consumer", "cannot reach node 1")
    assert (other["logger"], other["message"], other["error"]) == ("asyncpg.pool", "went wrong", "ValueError")
    assert "mario" not in json.dumps(other)
