"""The topics: who owns each, how it is keyed and kept, who writes and who reads it.

The facts stand in `topics/*.yaml`, one file per topic; this file reads and checks them and turns them into
what Kafka wants to hear when a topic is made. Leaves the making to whoever administers the broker, and the
number of replicas and in-sync replicas to the deployment: they depend on how many brokers there are.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.events import EVENTS

INCIDENTS: Final = "amends.incidents.v1"
CUSTOMERS: Final = "amends.customers.v1"
CONTRACTS: Final = "amends.contracts.v1"
ENTITLEMENTS: Final = "amends.entitlements.v1"
ADJUSTMENTS: Final = "amends.adjustments.v1"
LETTERS: Final = "amends.letters.v1"
PROGRESS: Final = "amends.progress.v1"
POLICIES: Final = "amends.policies.v1"
ANNOUNCEMENTS: Final = "amends.announcements.v1"

DLQ_PARTITIONS: Final = 1
DLQ_RETENTION_DAYS: Final = 90

_FOLDER = Path(__file__).with_name("topics")
_DAY_MS = 86_400_000
_MAX_MESSAGE_BYTES = 2 * 1024 * 1024
# A dead letter is the original record with headers that say why it was set aside.
_DLQ_MAX_MESSAGE_BYTES = _MAX_MESSAGE_BYTES + 256 * 1024

Party = Literal["entitlements", "billing", "notifications", "board", "cli", "pipelines", "crm"]
"""A part of Amends, or one of the two outside: the pipelines declare incidents, the CRM knows customers."""


def dlq(topic: str) -> str:
    """The name of the topic that takes what could not be read from `topic`."""
    return f"{topic}.dlq"


class Topic(BaseModel):
    """One topic as its file in `topics/` describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^amends\.[a-z]+\.v[1-9][0-9]*$")]
    owner: Party
    description: Annotated[str, Field(min_length=1)]
    key: Literal["incident_id", "customer_id", "contract_id", "policy"]
    partitions: Annotated[int, Field(ge=1, le=1000)]
    cleanup: Literal["compact", "delete"]
    retention_days: Annotated[int, Field(ge=1)] | Literal["forever"]
    tombstones: bool
    events: Annotated[tuple[str, ...], Field(min_length=1)]
    producers: Annotated[tuple[Party, ...], Field(min_length=1)]
    consumers: tuple[Party, ...]
    dlq: str

    @model_validator(mode="after")
    def _holds_together(self) -> Topic:
        if self.dlq != dlq(self.name):
            raise ValueError(f"dlq {self.dlq!r} is not {dlq(self.name)!r}")
        if (self.cleanup == "compact") != self.tombstones:
            raise ValueError("a compacted topic has tombstones, any other has none")
        if self.cleanup == "compact" and self.retention_days != "forever":
            raise ValueError('a compacted topic keeps the latest of each key: write retention_days: "forever"')
        unknown = [event for event in self.events if event not in EVENTS]
        if unknown:
            raise ValueError(f"unknown event types: {', '.join(unknown)}")
        return self

    @property
    def config(self) -> dict[str, str]:
        """The settings to create the topic with.

        Time counts from a record's arrival (`LogAppendTime`): an incident of years ago, or a topic that is
        rebuilt from the outbox, would otherwise be past its retention on the day it is written.
        """
        settings = _settings(self.retention_days, _MAX_MESSAGE_BYTES)
        if self.cleanup == "compact":
            del settings["retention.ms"]
            settings["cleanup.policy"] = "compact"
            # A customer who asks to be forgotten is gone from the log within a week, and a consumer that was
            # away for less than another week still learns of it from the tombstone.
            settings["max.compaction.lag.ms"] = str(7 * _DAY_MS)
            settings["delete.retention.ms"] = str(7 * _DAY_MS)
        return settings

    @property
    def dlq_config(self) -> dict[str, str]:
        """The settings to create the topic's dead-letter topic with (`DLQ_PARTITIONS` partitions)."""
        return _settings(DLQ_RETENTION_DAYS, _DLQ_MAX_MESSAGE_BYTES)


def _settings(retention_days: int | Literal["forever"], max_message_bytes: int) -> dict[str, str]:
    retention_ms = -1 if retention_days == "forever" else retention_days * _DAY_MS
    return {
        "cleanup.policy": "delete",
        "max.message.bytes": str(max_message_bytes),
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": str(retention_ms),
    }


@functools.cache
def load_topics() -> tuple[Topic, ...]:
    """Every topic, sorted by name.

    Raises `ValueError`, which names the file, when a description is not as `Topic` wants it.
    """
    topics = tuple(_read(path) for path in sorted(_FOLDER.glob("*.yaml")))
    return tuple(sorted(topics, key=lambda topic: topic.name))


def topic_of(event_type: str) -> Topic:
    """The one topic that carries events of this type; raises `KeyError` for a type that no topic carries."""
    for topic in load_topics():
        if event_type in topic.events:
            return topic
    raise KeyError(event_type)


def _read(path: Path) -> Topic:
    try:
        topic = Topic.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"schemas/topics/{path.name}: {error}") from error
    if topic.name.split(".")[1] != path.stem:
        raise ValueError(f"schemas/topics/{path.name}: describes {topic.name}, which belongs in another file")
    return topic
