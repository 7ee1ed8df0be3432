"""Letters for the mailer's tests, and a sending from its start to its end that keeps each result."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from contextlib import aclosing
from uuid import UUID

import pytest

from services.notifications.domain import Result
from services.notifications.journal import Journal
from services.notifications.letters import seven_bit
from services.notifications.mailer import Mailer
from services.notifications.relay import Deadlines, Mail
from services.notifications.relay import Relay as Address
from tests.integration.scripted_relay import EXTENSIONS, Answer, Relay, Verb

SHORT = Deadlines(connect=2.0, reply=0.2, dot=0.2)
PATIENT = Deadlines(connect=5.0, reply=20.0, dot=20.0)
BODY = b"Subject: x\r\n\r\nHello\r\n"
NO_PIPELINING = tuple(word for word in EXTENSIONS if word != "PIPELINING")
both_ways = pytest.mark.parametrize("extensions", [EXTENSIONS, NO_PIPELINING], ids=["pipelined", "one by one"])


def mail(number: int, data: bytes = BODY, recipient: str | None = None) -> Mail:
    """Letter `number`, to c<number>@example.it."""
    return Mail(UUID(int=number), "amends@example.it", recipient or f"c{number}@example.it", data)


def mails(count: int) -> list[Mail]:
    """Letters 1 to count."""
    return [mail(number) for number in range(1, count + 1)]


async def sent_through(
    relay: Relay,
    letters: Iterable[Mail] | AsyncIterable[Mail],
    *,
    connections: int = 1,
    deadlines: Deadlines = PATIENT,
    marks: Journal | None = None,
) -> dict[int, Result]:
    """Send and collect: each letter's result, each exactly once."""
    results: dict[int, Result] = {}
    address = Address("127.0.0.1", relay.port, deadlines=deadlines, seven_bit=seven_bit)
    async with (
        Mailer(address, marks, connections=connections, attempts_to_connect=2) as mailer,
        aclosing(mailer.send(letters)) as batches,
    ):
        async for batch in batches:
            for letter_id, result in batch:
                assert letter_id.int not in results
                results[letter_id.int] = result
    return results


def kinds(results: dict[int, Result]) -> dict[int, type]:
    """Only what kind of result each letter has."""
    return {number: type(result) for number, result in sorted(results.items())}


def said_to(verb: Verb, number: int, answer: Answer, other: Answer | None = None) -> Relay:
    """A relay that answers so at this step of this letter, and as usual otherwise."""

    def script(step: Verb, argument: str) -> Answer | None:
        return answer if step == verb and f"c{number}@" in argument else other

    return Relay(script)
