"""The chain of an incident's audit trail: each entry's hash covers the one before it: no byte changes unseen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

import orjson

from schemas.ids import uuid5

FIELDS = ("number", "at", "actor", "action", "detail")
"""What an entry's hash covers, beside the hash before it."""


def genesis(incident_id: str) -> str:
    """What the first entry of an incident follows."""
    return sha256(uuid5("audit", incident_id).encode()).hexdigest()


def link(previous: str, entry: Mapping[str, Any]) -> str:
    """The hash of an entry (of its `FIELDS`, as JSON with sorted keys) after the one before it; hex, SHA-256."""
    covered = {name: entry[name] for name in FIELDS}
    return sha256(previous.encode() + orjson.dumps(covered, option=orjson.OPT_SORT_KEYS)).hexdigest()


def flaws(incident_id: str, entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is wrong with a trail, entry by entry; nothing when it is whole."""
    found: list[str] = []
    previous, expected = genesis(incident_id), 1
    for entry in entries:
        if entry["number"] != expected:
            found.append(f"entry {expected} is missing: after {expected - 1} comes {entry['number']}")
        if entry["previous"] != previous:
            found.append(f"entry {entry['number']} does not follow the one before it")
        if link(entry["previous"], entry) != entry["hash"]:
            found.append(f"entry {entry['number']} was changed: its hash is not of what it says")
        previous, expected = entry["hash"], entry["number"] + 1
    return found
