"""What each kind of error means to the runtime: poison, passing, ours, or a bug."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from aiokafka import errors as kafka

from services.runtime.errors import AmendsError, Conflict, GaveUp, Halted, Poison, Transient, classify

pg = asyncpg.exceptions


@pytest.mark.parametrize("error", [Poison("x"), Transient("x"), Conflict("x"), Halted("x"), GaveUp("x")])
def test_our_own_errors_mean_what_they_say(error: AmendsError) -> None:
    assert classify(error) is type(error)


@pytest.mark.parametrize(
    "error",
    [
        pg.UntranslatableCharacterError("a NUL in a jsonb"),
        pg.CharacterNotInRepertoireError("a NUL in a text"),
        pg.NumericValueOutOfRangeError("too large"),
        pg.DataError("invalid input for query argument"),
        pg.CheckViolationError("check"),
        pg.ForeignKeyViolationError("foreign key"),
        pg.UniqueViolationError("unique"),
        pg.NotNullViolationError("not null"),
        pg.ProgramLimitExceededError("index row size exceeds the maximum"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    ],
)
def test_data_that_the_database_cannot_hold_is_poison(error: Exception) -> None:
    assert classify(error) is Poison


@pytest.mark.parametrize(
    "error",
    [
        pg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        pg.AdminShutdownError("terminating connection due to administrator command"),
        pg.CrashShutdownError("terminating connection because of crash"),
        pg.CannotConnectNowError("the database system is starting up"),
        pg.QueryCanceledError("statement timeout"),
        pg.InterfaceError("connection is closed"),
        pg.DeadlockDetectedError("deadlock detected"),
        pg.SerializationError("could not serialize"),
        pg.LockNotAvailableError("lock timeout"),
        pg.TooManyConnectionsError("sorry, too many clients already"),
        pg.DiskFullError("could not extend file"),
        kafka.KafkaConnectionError("no broker"),
        kafka.KafkaTimeoutError(),
        kafka.NotLeaderForPartitionError(),
        kafka.NoOffsetForPartitionError({}),
        kafka.OffsetOutOfRangeError({}),
        ConnectionRefusedError(),
        TimeoutError(),
        OSError("no route to host"),
    ],
)
def test_what_may_work_later_is_transient(error: Exception) -> None:
    assert classify(error) is Transient


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        KeyError("x"),
        AssertionError("x"),
        TypeError("x"),
        pg.UndefinedTableError("no such table"),
        pg.UndefinedColumnError("no such column"),
        pg.PostgresSyntaxError("syntax error"),
        pg.InsufficientPrivilegeError("permission denied"),
    ],
)
def test_anything_else_is_a_bug_and_is_not_tried_again(error: Exception) -> None:
    assert classify(error) is None


def test_a_cancellation_is_no_error_to_be_judged() -> None:
    assert classify(asyncio.CancelledError()) is None
