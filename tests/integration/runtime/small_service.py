"""A whole service of parcels as a process, for the tests of `service.run`: `python -m …small_service serve`.

`TRIAL_NAME` (and so its group), `TRIAL_TOPIC`, `TRIAL_ANSWERS` and `TRIAL_SLEEP_SECONDS` (how long the database works
on each batch) say what it does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from services.runtime import service
from services.runtime.envelope import Message
from services.runtime.handling import Route
from services.runtime.settings import RuntimeSettings
from services.runtime.work import Transaction
from tests.integration.runtime.trial import DECODER, answers

NAME, TOPIC, ANSWERS = (os.environ.get(name, "") for name in ("TRIAL_NAME", "TRIAL_TOPIC", "TRIAL_ANSWERS"))
SLEEP_SECONDS = float(os.environ.get("TRIAL_SLEEP_SECONDS", "0"))


async def handle(batch: Sequence[Message], transaction: Transaction) -> None:
    """Note each parcel, take one's time, answer."""
    await transaction.connection.execute(
        "INSERT INTO parcel SELECT 0, * FROM unnest($1::bigint[], $2::bigint[])",
        [message.record.offset for message in batch],
        [message.data.number for message in batch],
    )
    await transaction.connection.execute("SELECT pg_sleep($1)", SLEEP_SECONDS)
    transaction.publish(ANSWERS, answers(message.data.number for message in batch))


async def serve(loaded: RuntimeSettings) -> None:
    """The composition root."""
    async with service.parts(NAME, loaded) as parts:
        consumer = parts.consumer({TOPIC: Route(DECODER, handle)})
        await service.run(parts.api(), loaded.http, [consumer.run, parts.persistent(parts.relay.sweep)])


if __name__ == "__main__":
    sys.exit(service.main(sys.argv[1:], NAME, RuntimeSettings, service.MIGRATIONS, serve))
