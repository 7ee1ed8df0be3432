"""A relay over loopback that answers what a test tells it to, cuts the line, or falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Verb = Literal["greeting", "EHLO", "HELO", "MAIL", "RCPT", "DATA", "message", "RSET", "QUIT"]
Answer = str | Literal["cut", "stall"]
EXTENSIONS = ("PIPELINING", "SIZE 10000000", "8BITMIME")
USUAL: dict[str, str] = {
    "greeting": "220 relay",
    "HELO": "250 relay",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 End data with <CR><LF>.<CR><LF>",
    "message": "250 2.0.0 Ok: queued",
    "RSET": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
}


@dataclass
class Relay:
    """What the relay does, and what it saw.

    `answer` gets the verb, its argument (the message for `message`) and says what to do; None is the usual answer.
    A message counts as accepted if it was whole and was answered, or would have been, with 250.
    """

    answer: Callable[[Verb, str], Answer | None] = lambda _verb, _argument: None
    extensions: tuple[str, ...] = EXTENSIONS
    lax: bool = False
    """Whether a recipient is taken although the sender was refused."""
    port: int = 0
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    accepted: list[tuple[str, bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            await self._converse(_Line(self, reader, writer))
        except _CutError:
            writer.transport.abort()

    async def _converse(self, line: _Line) -> None:
        await line.answer("greeting", "")
        sender, recipient = False, ""
        while True:
            command = (await line.read()).decode("ascii")
            self.commands.append(command)
            verb, _, argument = command.partition(" ")
            if verb == "EHLO":
                extensions = "".join(f"250-{extension}\r\n" for extension in self.extensions)
                await line.answer("EHLO", argument, "250-relay\r\n" + extensions + "250 HELP")
            elif verb == "MAIL":
                usual = "503 5.5.1 nested MAIL" if sender else ""
                recipient = ""
                sender = (await line.answer("MAIL", argument, usual)).startswith("2") or sender
            elif verb == "RCPT":
                usual = "" if sender or self.lax else "503 5.5.1 need MAIL"
                if (await line.answer("RCPT", argument, usual)).startswith("2"):
                    recipient = argument.removeprefix("TO:<").removesuffix(">")
            elif verb == "DATA":
                if (await line.answer("DATA", recipient)).startswith("354"):
                    await self._message(line, recipient)
                    sender = False
            elif verb in ("HELO", "RSET", "QUIT"):
                await line.answer(verb, argument)  # type: ignore[arg-type]
                sender = False
                if verb == "QUIT":
                    return
            else:
                await line.say(f"500 what is {command!r}")

    async def _message(self, line: _Line, recipient: str) -> None:
        lines = []
        while (data := await line.read()) != b".":
            lines.append(data[1:] if data.startswith(b".") else data)
        message = b"".join(data + b"\r\n" for data in lines)
        if not recipient:
            await line.say("554 no valid recipients")
        elif (await line.answer("message", recipient)).startswith("2"):
            self.accepted.append((recipient, message))


class _CutError(Exception):
    """The script says that the line is cut here."""


@dataclass
class _Line:
    relay: Relay
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self) -> bytes:
        return (await self.reader.readuntil(b"\r\n"))[:-2]

    async def say(self, reply: str) -> None:
        self.writer.write(reply.encode() + b"\r\n")
        await self.writer.drain()

    async def answer(self, verb: Verb, argument: str, usual: str = "") -> str:
        answer = self.relay.answer(verb, argument)
        if answer is None:
            answer = usual or USUAL[verb]
        if answer == "cut":
            raise _CutError
        if answer == "stall":
            await self.reader.read(-1)
            raise _CutError
        await self.say(answer)
        if answer.startswith("421"):
            raise _CutError
        return answer


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """A port where `serve` has each connection; at the end of the block all are closed and have ended."""
    conversations: set[asyncio.Task[None]] = set()

    async def held(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversations.add(task)
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(held, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)
        if conversations:
            _, late = await asyncio.wait(conversations, timeout=2)
            for task in late:
                task.cancel()


@asynccontextmanager
async def relaying(relay: Relay) -> AsyncIterator[Relay]:
    """The relay, listening until the end of the block."""
    async with listening(relay.serve) as port:
        relay.port = port
        yield relay
