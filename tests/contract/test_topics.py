"""The topic descriptions are whole, agree with the events, and say what Kafka is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas import topics as module
from schemas.events import EVENTS
from schemas.topics import (
    ADJUSTMENTS,
    ANNOUNCEMENTS,
    CONTRACTS,
    CUSTOMERS,
    ENTITLEMENTS,
    INCIDENTS,
    LETTERS,
    POLICIES,
    PROGRESS,
    Topic,
    dlq,
    load_topics,
    topic_of,
)

TOPICS = {topic.name: topic for topic in load_topics()}

KEYS = {
    INCIDENTS: "incident_id",
    CUSTOMERS: "customer_id",
    CONTRACTS: "contract_id",
    ENTITLEMENTS: "customer_id",
    ADJUSTMENTS: "customer_id",
    LETTERS: "customer_id",
    PROGRESS: "incident_id",
    POLICIES: "policy",
    ANNOUNCEMENTS: "customer_id",
}
CONSUMERS = {
    INCIDENTS: {"entitlements", "notifications"},
    CUSTOMERS: {"notifications"},
    CONTRACTS: {"entitlements"},
    ENTITLEMENTS: {"billing"},
    ADJUSTMENTS: {"notifications"},
    LETTERS: set(),
    PROGRESS: {"board"},
    POLICIES: {"notifications"},
    ANNOUNCEMENTS: {"notifications"},
}


def description(**changed: object) -> dict[str, object]:
    return TOPICS[ADJUSTMENTS].model_dump() | changed


def test_there_is_a_description_of_every_topic_and_of_no_other() -> None:
    assert list(TOPICS) == sorted(KEYS)


@pytest.mark.parametrize("name", KEYS)
def test_a_topic_is_keyed_by_what_its_events_have(name: str) -> None:
    topic = TOPICS[name]
    assert topic.key == KEYS[name]
    for event_type in topic.events:
        assert EVENTS[event_type].model_fields[topic.key].is_required()


def test_every_event_type_is_carried_by_exactly_one_topic() -> None:
    carried = [event_type for topic in TOPICS.values() for event_type in topic.events]
    assert sorted(carried) == sorted(EVENTS)
    assert {event_type: topic_of(event_type).name for event_type in EVENTS}["letter.settled.v1"] == LETTERS
    with pytest.raises(KeyError):
        topic_of("incident.forgotten.v1")


@pytest.mark.parametrize("name", CONSUMERS)
def test_every_consumer_is_named(name: str) -> None:
    assert set(TOPICS[name].consumers) == CONSUMERS[name]


@pytest.mark.parametrize("name", KEYS)
def test_an_owner_within_amends_or_outside_writes_the_topic_or_reads_it(name: str) -> None:
    topic = TOPICS[name]
    assert topic.owner in {*topic.producers, *topic.consumers}


def test_names_and_addresses_are_read_by_notifications_alone() -> None:
    assert TOPICS[CUSTOMERS].consumers == ("notifications",)
    for topic in TOPICS.values():
        for event_type in topic.events:
            has_address = {"name", "email"} & set(EVENTS[event_type].model_fields)
            assert not has_address or topic.name == CUSTOMERS


@pytest.mark.parametrize("name", KEYS)
def test_every_topic_has_a_dead_letter_topic_with_room_for_the_reason(name: str) -> None:
    topic = TOPICS[name]
    assert topic.dlq == dlq(name) == f"{name}.dlq"
    assert int(topic.dlq_config["max.message.bytes"]) > int(topic.config["max.message.bytes"])
    assert topic.dlq_config["cleanup.policy"] == "delete"


def test_states_are_compacted_and_the_rest_is_kept_for_its_time() -> None:
    for topic in TOPICS.values():
        compacted = topic.name in {CUSTOMERS, CONTRACTS}
        assert topic.config["cleanup.policy"] == ("compact" if compacted else "delete")
        assert ("retention.ms" in topic.config) != compacted
    assert {TOPICS[name].config["retention.ms"] for name in (INCIDENTS, POLICIES)} == {"-1"}
    assert TOPICS[ADJUSTMENTS].config["retention.ms"] == str(90 * 24 * 3600 * 1000)


def test_partitions_of_topics_with_the_same_key_line_up() -> None:
    assert {topic.partitions for topic in TOPICS.values() if topic.key == "customer_id"} == {8}
    assert {TOPICS[name].partitions for name in (INCIDENTS, PROGRESS, POLICIES)} == {1}


def test_retention_counts_from_arrival_so_that_an_incident_of_years_ago_is_kept() -> None:
    assert {topic.config["message.timestamp.type"] for topic in TOPICS.values()} == {"LogAppendTime"}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"dlq": "amends.letters.v1.dlq"}, "amends.adjustments.v1.dlq"),
        ({"events": ["adjustment.forgotten.v1"]}, "unknown event types: adjustment.forgotten.v1"),
        ({"tombstones": True}, "tombstones"),
        ({"cleanup": "compact", "tombstones": True}, "forever"),
        ({"owner": "nobody"}, "owner"),
        ({"consumers": ["marketing"]}, "consumers"),
        ({"producers": []}, "producers"),
        ({"key": "email"}, "key"),
        ({"partitions": 0}, "partitions"),
        ({"retention": 90}, "retention"),
    ],
)
def test_a_wrong_description_is_refused(changed: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Topic.model_validate(description(**changed))


def test_a_wrong_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "letters.yaml").write_text("name: [", encoding="utf-8")
    monkeypatch.setattr(module, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"schemas/topics/letters\.yaml"):
        load_topics.__wrapped__()
    text = (Path(module.__file__).with_name("topics") / "incidents.yaml").read_text(encoding="utf-8")
    (tmp_path / "letters.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="belongs in another file"):
        load_topics.__wrapped__()


@pytest.mark.parametrize("name", KEYS)
def test_the_table_of_topics_in_the_readme_is_theirs(name: str) -> None:
    topic = TOPICS[name]
    kept = {"forever": "for ever"}.get(str(topic.retention_days), f"{topic.retention_days} days")
    cells = [
        f"`{name}`",
        topic.owner,
        topic.key,
        str(topic.partitions),
        "the latest of each key" if topic.cleanup == "compact" else kept,
        ", ".join(topic.consumers) or "(outside)",
        ", ".join(f"`{event}`" for event in topic.events),
    ]
    readme = Path(module.__file__).with_name("README.md").read_text(encoding="utf-8")
    assert f"| {' | '.join(cells)} |" in readme
