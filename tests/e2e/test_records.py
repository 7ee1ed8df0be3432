"""Every record on every topic of a whole journey: its envelope, its schema, its key, and what must not be in it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka.partitioner import murmur2
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

import schemas
from tests.e2e.conftest import Journey
from tests.e2e.outside import Record
from tests.e2e.world import DEAD_LETTERS, TOPICS

SCHEMAS = Path(schemas.__file__).parent
DESCRIBED: dict[str, dict[str, Any]] = {
    (topic := yaml.safe_load(path.read_text("utf-8")))["name"]: topic for path in (SCHEMAS / "topics").glob("*.yaml")
}


def test_the_topics_of_the_journey_are_those_that_are_described() -> None:
    assert DESCRIBED.keys() == set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_every_record_has_the_headers_of_cloudevents(journey: Journey, topic: str) -> None:
    assert journey.records[topic] or topic == "amends.announcements.v1"  # the case's policy wants the details alone
    for record in journey.records[topic]:
        headers = record.headers
        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_type"] in DESCRIBED[topic]["events"]
        assert headers["ce_id"]
        assert headers["ce_source"].startswith("urn:")
        assert headers["content-type"] == "application/json"
        assert datetime.fromisoformat(headers["ce_time"]).tzinfo is not None
        if topic != "amends.incidents.v1":  # those are a pipeline's, which need not name a schema
            assert headers["ce_dataschema"] == f"urn:amends:schema:{headers['ce_type']}"


@pytest.mark.parametrize("topic", TOPICS)
def test_every_record_is_as_its_json_schema_says(journey: Journey, topic: str) -> None:
    validators = {
        kind: Draft202012Validator(
            json.loads((SCHEMAS / "json" / f"{kind}.json").read_text("utf-8")), format_checker=FormatChecker()
        )
        for kind in DESCRIBED[topic]["events"]
    }
    for record in journey.records[topic]:
        problems = [error.message for error in validators[record.headers["ce_type"]].iter_errors(record.data)]
        assert problems == [], record


@pytest.mark.parametrize("topic", TOPICS)
def test_every_record_is_keyed_and_partitioned_as_described(journey: Journey, topic: str) -> None:
    partitions = DESCRIBED[topic]["partitions"]
    for record in journey.records[topic]:
        assert record.key == record.data[DESCRIBED[topic]["key"]]
        assert record.partition == (murmur2(record.key.encode()) & 0x7FFFFFFF) % partitions


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic != "amends.customers.v1"])
def test_no_event_stands_in_a_topic_twice(journey: Journey, topic: str) -> None:
    ids = [record.event_id for record in journey.records[topic]]
    assert len(set(ids)) == len(ids)


def test_nothing_was_set_aside(journey: Journey) -> None:
    assert [topic for topic in DEAD_LETTERS if journey.records[topic]] == []


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic != "amends.customers.v1"])
def test_no_name_and_no_address_stands_on_any_other_topic(journey: Journey, topic: str) -> None:
    with journey.world.customers_csv.open(encoding="utf-8", newline="") as lines:
        people = list(csv.DictReader(lines))
    private = {row[column].casefold() for row in people for column in ("name", "email") if len(row[column].strip()) > 4}
    said = {text.casefold() for record in journey.records[topic] for text in _texts(record)}
    assert private.isdisjoint(said)
    wordy = "\n".join(text for text in said if " " in text or "@" in text)
    assert [one for one in private if one in wordy] == []


def _texts(record: Record) -> Iterator[str]:
    """Every text in a record: its key, its headers, and all names and values of its data."""
    yield record.key
    yield from record.headers.values()
    waiting: list[Any] = [record.data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
