"""Handling a topic's records: they are read and handled, and what cannot be is found and set aside.

The same for a batch from the log and for one record that is tried again. Leaves positions to `consumer`, and what is
done about too much poison to `quarantine.Limit`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from services.runtime.envelope import Consumed, Decoder, Message, Unreadable
from services.runtime.errors import Poison, classify
from services.runtime.work import Transaction

Handler: TypeAlias = Callable[[Sequence[Message], Transaction], Awaitable[None]]
"""A batch's effects: a function that never commits, never publishes, never catches."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a service does with a topic: how to read it, what to do with it."""

    decoder: Decoder
    handle: Handler


async def handle(route: Route, records: Sequence[Consumed], transaction: Transaction) -> None:
    """Read and handle records of the route's topic in their order; what cannot be is set aside, and nothing else.

    A part of the batch in which something cannot be stored is handled again in halves: one bad record among thousands
    costs a dozen repetitions, not thousands.
    """
    messages, bad = route.decoder.decode(records)
    transaction.set_aside(bad)
    parts = [messages] if messages else []
    while parts:
        part = parts.pop()
        reason = await _attempt(route, part, transaction)
        if reason is None:
            if route.decoder.latest_counts:
                transaction.followed += [message.record for message in part]
        elif len(part) == 1:
            transaction.set_aside([Unreadable(part[0].record, reason)])
        else:
            half = len(part) // 2
            parts += [part[half:], part[:half]]


async def _attempt(route: Route, messages: Sequence[Message], transaction: Transaction) -> str | None:
    """Handle all of these or none; returns why they cannot be, None when they were."""
    try:
        async with transaction.connection.transaction():
            attempt = Transaction(transaction.connection)
            await route.handle(messages, attempt)
    except Exception as error:
        if classify(error) is not Poison:
            raise
        return _reason(error)
    transaction.take_over(attempt)
    return None


def _reason(error: Exception) -> str:
    """Why a message cannot be processed; what the database says of it would repeat the data, and goes into logs."""
    if isinstance(error, Poison):
        return error.reason
    where = getattr(error, "constraint_name", None) or getattr(error, "column_name", None)
    return f"cannot be stored: {type(error).__name__}" + (f" ({where})" if where else "")
