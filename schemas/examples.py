"""The worked examples of `schemas/examples`, for the tests of every producer and consumer to read.

An example is one record's value, byte for byte. Leaves the checking to whoever reads them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from schemas.events import EVENTS

FOLDER = Path(__file__).with_name("examples")


@dataclass(frozen=True, slots=True)
class Refused:
    """A record's value that every reader refuses: why in words, and a text that stands in the refusal."""

    why: str
    says: str
    data: bytes


def examples(event_type: str) -> dict[str, bytes]:
    """The good examples of a type by name, sorted; raises `KeyError` for a type that is none."""
    return {path.stem: path.read_bytes() for path in _files(event_type, ".")}


def refused(event_type: str) -> dict[str, Refused]:
    """The bad examples of a type by name, sorted; raises `KeyError` for a type that is none."""
    read = {path.stem: json.loads(path.read_bytes()) for path in _files(event_type, "invalid")}
    return {
        name: Refused(example["why"], example["says"], json.dumps(example["data"]).encode())
        for name, example in read.items()
    }


def _files(event_type: str, folder: str) -> list[Path]:
    if event_type not in EVENTS:
        raise KeyError(event_type)
    return sorted((FOLDER / event_type / folder).glob("*.json"))
