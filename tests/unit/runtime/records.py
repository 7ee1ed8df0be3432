"""Records as the broker's client hands them over, made by hand; and a small event that no service knows."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from services.runtime.envelope import Headers


class Shipped(BaseModel):
    """A parcel left the house."""

    model_config = ConfigDict(strict=True, frozen=True)

    parcel: str
    weight: int


class Delivered(BaseModel):
    """A parcel arrived."""

    model_config = ConfigDict(strict=True, frozen=True)

    parcel: str
    signed_by: str | None = None


TYPES: dict[str, type[BaseModel]] = {"parcel.shipped.v1": Shipped, "parcel.delivered.v1": Delivered}

BINARY: dict[str, bytes] = {
    "ce_id": b"e-1",
    "ce_source": b"/trial",
    "ce_type": b"parcel.shipped.v1",
    "ce_specversion": b"1.0",
    "content-type": b"application/json",
}
GOOD = b'{"parcel": "p1", "weight": 3}'


@dataclass
class Received:
    """One record of a topic."""

    value: bytes | None = GOOD
    headers: Headers = field(default_factory=lambda: list(BINARY.items()))
    key: bytes | None = b"p1"
    offset: int = 0
    partition: int = 0
    topic: str = "parcels"
    timestamp: int = 1_304_000_000_000


def binary(value: bytes | None = GOOD, *, without: str = "", offset: int = 0, **headers: bytes) -> Received:
    """A record in binary mode, with headers changed or left out."""
    merged = {**BINARY, **headers}
    return Received(value, [(name, content) for name, content in merged.items() if name != without], offset=offset)


def structured(value: bytes, content_type: bytes | None = b"application/cloudevents+json; charset=utf-8") -> Received:
    """A record in structured mode: the envelope is in the value."""
    return Received(value, [] if content_type is None else [("content-type", content_type)])
