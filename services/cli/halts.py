"""Which services are there and do not work, and what to do about it: in the words of their own `/readyz`."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from deploy.local.stack import Stack

_SECONDS = 5.0


def troubles(stack: Stack) -> dict[str, str]:
    """What is wrong with each worker that answers and is not ready; one that does not answer is not in it."""
    found = {}
    with httpx.Client(timeout=_SECONDS) as client:
        for name, url in stack.http.items():
            try:
                answer = client.get(f"{url}/readyz")
            except httpx.TransportError:
                continue
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                found[name] = in_words(answer.json().get("wrong", {}))
    return found


def in_words(wrong: Mapping[str, str]) -> str:
    """All that a service finds wrong with itself."""
    return "; ".join(wrong.values()) or "not ready"
