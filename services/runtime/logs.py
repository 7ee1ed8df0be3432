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
    # Libraries too: aiokafka reports each reconnection attempt as an error; the consumer says once what it means.
    logging.basicConfig(handlers=[_ToStructlog()], level=logging.WARNING, force=True)


class _ToStructlog(logging.Handler):
    """Gives a library's lines the same shape as ours: one line, and of an error its name, for its words may quote."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        error = {"error": record.exc_info[0].__name__} if record.exc_info and record.exc_info[0] else {}
        log.log(record.levelno, "library", logger=record.name, message=record.getMessage(), **error)
