"""Asking the services over HTTP, and finding them: the local stack's `stack.json`, or the one that is named."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import orjson
import typer

from deploy.local.errors import StackError
from deploy.local.stack import Stack
from services.cli.errors import CommandError

Root = Annotated[Path, typer.Option("--root", envvar="AMENDS_ROOT", help="The folder of the local stack.")]
ROOT = Path(".amends")

_SECONDS = 120.0
_NOT_NOW_SECONDS, _AGAIN_AFTER_SECONDS = 3.0, 0.2
"""For how long a service that says "not now" (503) is asked again: its database is away, or coming."""


def part(name: str) -> str:
    """A name as one part of a path, whatever stands in it."""
    quoted = quote(name, safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")  # ".." would climb


class Services:
    """The services of a stack."""

    def __init__(self, root: Path) -> None:
        """Raises `CommandError` when no stack is up there."""
        try:
            self.stack = Stack.load(root)
        except StackError as error:
            raise CommandError(str(error)) from None
        self._client = httpx.Client(timeout=_SECONDS)

    def get(self, service: str, path: str, *, as_operator: bool = False) -> Any:
        """A service's answer; raises `CommandError` when it does not answer, `KeyError` when it knows nothing of it."""
        headers = self._operator(service) if as_operator else {}
        until = time.monotonic() + _NOT_NOW_SECONDS
        while (answer := self._answer(service, path, headers)).status_code == 503 and time.monotonic() < until:
            time.sleep(_AGAIN_AFTER_SECONDS)
        if answer.status_code == 404:
            raise KeyError(path)
        if answer.is_error:
            raise CommandError(f"{service} answers {path} with {_why(answer)}")
        return answer.json()

    def _answer(self, service: str, path: str, headers: dict[str, str]) -> httpx.Response:
        try:
            return self._client.get(self.stack.http[service] + path, headers=headers)
        except httpx.TransportError as error:
            raise CommandError(
                f"{service} at {self.stack.http[service]} does not answer ({type(error).__name__}): "
                "see `amends status`, and start what is missing with `amends up`"
            ) from None

    def post(self, service: str, path: str, body: Any = None) -> Iterator[Any]:
        """Ask a service to do something, with the operator's token; its answer's JSON lines, one after the other.

        Raises `CommandError` when it refuses, breaks off, or says nothing for two minutes.
        """
        headers, url = self._operator(service), self.stack.http[service] + path
        try:
            with self._client.stream("POST", url, headers=headers, json=body) as answer:
                if answer.is_error:
                    answer.read()
                    raise CommandError(f"{service} refuses {path}: {_why(answer)}")
                for line in answer.iter_lines():
                    if line:
                        yield _unbroken(service, orjson.loads(line))
        except httpx.TransportError as error:
            raise CommandError(f"{service} broke off ({type(error).__name__}): see `amends status`") from None

    def ask(self, service: str, path: str, body: Any = None) -> Any:
        """The one answer of a service that is asked to do something; raises as `post` does."""
        (answer,) = self.post(service, path, body)
        return answer

    def _operator(self, service: str) -> dict[str, str]:
        token = os.environ.get("AMENDS_OPERATOR_TOKEN") or self.stack.environment(service)["AMENDS_OPERATOR_TOKEN"]
        return {"Authorization": f"Bearer {token}"}

    def incident(self, incident_id: str) -> dict[str, Any]:
        """What is known of an incident; raises `CommandError` with the latest ones when nobody declared it."""
        try:
            known: dict[str, Any] = self.get("entitlements", f"/incidents/{part(incident_id)}")
        except KeyError:
            latest = [row["incident_id"] for row in self.get("entitlements", "/incidents")]
            hint = f"the latest are {', '.join(latest[:5])}" if latest else "none was declared yet"
            raise CommandError(f"no incident {incident_id}; {hint}") from None
        return known


def _unbroken(service: str, told: Any) -> Any:
    """What a service tells, unless it is why it does not go on."""
    if isinstance(told, dict) and "broke_off" in told:
        raise CommandError(f"{service} broke off: {told['broke_off']}")
    return told


def _why(answer: httpx.Response) -> str:
    """What a service says of its refusal."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.text
    return f"{answer.status_code} {detail if isinstance(detail, str) else orjson.dumps(detail).decode()}"[:2000]
