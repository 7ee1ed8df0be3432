"""Publishing from the command line, as anyone outside would: to Kafka, with the keys and headers of `schemas`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from services.cli.errors import CommandError
from services.runtime.envelope import Encoder
from services.runtime.errors import Transient
from services.runtime.metrics import Metrics
from services.runtime.relay import Publisher

_BLOCK = 5_000
_SECONDS = 20.0


def publish(
    kafka: str,
    topic: str,
    encoder: Encoder,
    events: Iterable[tuple[str, str, Any]],
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Publish (key, event id, data) triples; returns how many once the broker has them all.

    Raises `CommandError` when the broker does not answer or does not take them.
    """

    async def run() -> int:
        publisher = Publisher(kafka, delivery_seconds=_SECONDS, metrics=Metrics())
        rest, sent = iter(events), 0
        try:
            while block := list(islice(rest, _BLOCK)):
                await publisher.publish({topic: encoder.records(block)})
                sent += len(block)
                on_progress(sent)
        finally:
            await publisher.close()
        return sent

    try:
        return asyncio.run(run())
    except Transient as error:
        raise CommandError(f"Kafka at {kafka} does not answer: is the stack up? (`amends status`) [{error}]") from None
