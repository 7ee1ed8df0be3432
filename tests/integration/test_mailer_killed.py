"""A sender that is killed with -9 leaves a journal from which every letter is judged rightly."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from uuid import UUID

import pytest

from services.notifications.decide import recover
from services.notifications.domain import State
from services.notifications.journal import Journal
from tests.integration.scripted_relay import Answer, Relay, Verb, relaying

LETTERS = 100_000
CONNECTIONS = 4
SENDER = f"""
import asyncio, sys
from pathlib import Path
from uuid import UUID
from services.notifications.journal import Journal
from services.notifications.mailer import Mailer
from services.notifications.relay import Mail, Relay

async def send(port, folder):
    letters = (
        Mail(UUID(int=number), "amends@example.it", f"c{{number}}@example.it", b"x\\r\\n")
        for number in range(1, {LETTERS} + 1)
    )
    with Journal.open(Path(folder), "w") as journal:
        async with Mailer(Relay("127.0.0.1", port), journal, connections={CONNECTIONS}) as mailer:
            async for _ in mailer.send(letters):
                pass

asyncio.run(send(int(sys.argv[1]), sys.argv[2]))
"""


@pytest.mark.parametrize("after", [1, 50, 2_000])
async def test_only_letters_between_dot_and_reply_are_in_doubt(after: int, tmp_path: Path) -> None:
    enough = asyncio.Event()
    messages = 0

    def script(verb: Verb, _: str) -> Answer | None:
        nonlocal messages
        messages += verb == "message"
        if messages >= after:
            enough.set()
        return None

    async with relaying(Relay(script)) as relay:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", SENDER, str(relay.port), str(tmp_path))
        await asyncio.wait_for(enough.wait(), 30)
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
    accepted = {UUID(int=int(recipient[1:].partition("@")[0])) for recipient, _ in relay.accepted}
    assert len(accepted) == len(relay.accepted)

    known = recover([UUID(int=number) for number in range(1, LETTERS + 1)], Journal.read(Journal.file(tmp_path, "w")))

    sent = {letter for letter, state in known.items() if state is State.SENT}
    in_doubt = {letter for letter, state in known.items() if state is State.IN_DOUBT}
    safe_to_send = {letter for letter, state in known.items() if state is State.PENDING}
    assert sent <= accepted
    assert not safe_to_send & accepted
    assert accepted <= sent | in_doubt
    assert len(in_doubt) <= CONNECTIONS
    assert len(sent | in_doubt | safe_to_send) == LETTERS
