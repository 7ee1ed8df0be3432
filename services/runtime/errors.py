"""What can go wrong, by what the runtime does about it.

Handlers and stores raise these (or let the database's own errors pass); `classify` is the one place where an
error from a library gets its meaning. Nothing else in the project decides whether something is tried again.
"""

from __future__ import annotations

import asyncio

import asyncpg
from aiokafka.errors import KafkaError


class AmendsError(Exception):
    """The base of every error that Amends raises on purpose."""


class Poison(AmendsError):
    """This record can never be processed: it is set aside with its bytes and `reason`, and the position moves on."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Transient(AmendsError):
    """It did not work now and may later: roll back, wait, read again from the database's position."""


class Conflict(AmendsError):
    """Somebody else moved the position or holds the row: roll back and look again at what is ours."""


class Halted(AmendsError):
    """Too much was set aside: the consumer stops where it stands until a person has looked."""


class GaveUp(AmendsError):
    """A retry ran into its limit: the process ends with an error, and its supervisor decides."""


# A value that the column cannot hold is the record's fault, whichever batch it came in.
_DATA_FAULTS = (
    asyncpg.exceptions.DataError,
    asyncpg.exceptions.IntegrityConstraintViolationError,
    asyncpg.exceptions.ProgramLimitExceededError,
    UnicodeEncodeError,
)
_PASSING_FAULTS = (
    asyncpg.exceptions.PostgresConnectionError,
    asyncpg.exceptions.InterfaceError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.TransactionRollbackError,
    asyncpg.exceptions.ObjectNotInPrerequisiteStateError,
    asyncpg.exceptions.PostgresSystemError,
    asyncpg.exceptions.CannotConnectNowError,
    asyncpg.exceptions.InvalidAuthorizationSpecificationError,
    asyncpg.exceptions.InternalClientError,
    KafkaError,
    ConnectionError,
    TimeoutError,
    asyncio.TimeoutError,
    OSError,
)


def classify(error: BaseException) -> type[AmendsError] | None:
    """`Poison` for data that cannot be stored, `Transient` for what passes, ours as it is; else None (a bug)."""
    if isinstance(error, AmendsError):
        return type(error)
    if isinstance(error, _DATA_FAULTS):
        return Poison
    if isinstance(error, _PASSING_FAULTS):
        return Transient
    return None
