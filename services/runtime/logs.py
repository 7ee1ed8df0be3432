"""Logs as one JSON object a line on stderr, for machines first.

An event's name says what happened, its fields say with what; names, addresses, codes and payloads stay out.
"""

from __future__ import annotations

import logging
import sys

import structlog


def configure(service: str, worker: str, level: str) -> None:
    """Set up logging for this process; every line carries the service and the worker."""
    numeric = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service, worker=worker)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s", force=True)
    # aiokafka reports each reconnection attempt as an error; the consumer says once what it means.
    for name in ("aiokafka", "uvicorn", "asyncio"):
        logging.getLogger(name).handlers = [_ToStructlog()]
        logging.getLogger(name).propagate = False


class _ToStructlog(logging.Handler):
    """Gives a library's log lines the same shape as ours."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        log.log(record.levelno, "library", logger=record.name, message=record.getMessage())
