"""Whether a service can process a record, judged without the services: by the JSON Schemas and the written rules.

The envelope and what each service asks beyond the form of an event are written out here a second time, each rule with
where it is written down; the form itself is judged by `form`. Shares no model and no decoder with what it judges.
Leaves the making of records to `mutations`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import schemas
from services.entitlements import settings as entitlements
from tests.faults.form import BROKEN, misshapen, parsed

_SCHEMAS = Path(schemas.__file__).parent
_POLICIES = Path(entitlements.__file__).with_name("policies")
Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Sent:
    """A record as it goes over the wire, and what was done to it."""

    number: int
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    mutation: str


_DESCRIBED = {
    described["name"]: described
    for described in (yaml.safe_load(path.read_text("utf-8")) for path in (_SCHEMAS / "topics").glob("*.yaml"))
}


_KEPT = ("amends.adjustments.v1", "amends.announcements.v1")
"""services/notifications/messages.py: a letter keeps the bytes of the events that it tells of."""


_LARGEST_BYTES = 4 * 1024 * 1024
"""services/runtime/envelope.py: larger than any event, and small enough to be read within a moment."""


def readers(topic: str) -> list[str]:
    """The services that read a topic, as its description says."""
    return [name for name in _DESCRIBED[topic]["consumers"] if name in ("entitlements", "billing", "notifications")]


def fault(sent: Sent, service: str) -> str | None:
    """Why the service has to set the record aside, None when it has to process it."""
    if sent.value is None:
        return _tombstone(sent)
    if len(sent.value) > _LARGEST_BYTES:
        return "too large to be read"
    event = _envelope(sent)
    if isinstance(event, str):
        return event
    kind, data = event
    wrong = misshapen(kind, data)
    if wrong is not None:
        return wrong
    rule = _RULES.get((service, kind.split(".")[0]))
    return rule(kind, data) if rule else None


def _tombstone(sent: Sent) -> str | None:
    """schemas/topics: only a compacted topic has records without a value, and their key says what is gone."""
    if not _DESCRIBED[sent.topic]["tombstones"]:
        return "a tombstone where none belongs"
    try:
        key = (sent.key or b"").decode()
    except UnicodeDecodeError:
        return "its key is no text"
    return None if key and "\x00" not in key else "its key names nothing"


# ── the envelope: CloudEvents 1.0 over Kafka, binary or structured ────────────────────────────────────────────────


def _envelope(sent: Sent) -> tuple[str, Any] | str:
    headers = dict(sent.headers)  # of two with one name the last counts
    kind = headers.get("ce_type")
    value = sent.value or b""
    if kind is None:
        content = headers.get("content-type") or b"application/cloudevents+json"
        if not content.startswith(b"application/cloudevents+json"):
            return "no ce_type, and not structured"
        event = parsed(value, strictly=True)
        if not isinstance(event, dict):
            return "no CloudEvent"
        attributes, data = event, event.get("data")
        if not isinstance(event.get("id"), str):
            return "no id"
    else:
        try:
            attributes = {name: (headers.get(f"ce_{name}") or b"").decode() for name in ("specversion", "id", "type")}
        except UnicodeDecodeError:
            return "an attribute is no text"
        attributes["source"] = "there" if headers.get("ce_source") else ""
        data = None
    if attributes.get("specversion") != "1.0" or not attributes.get("id") or not attributes.get("source"):
        return "specversion, id or source"
    if "\x00" in attributes["id"]:
        return "an id that no database can hold"
    name = attributes.get("type")
    if name not in _DESCRIBED[sent.topic]["events"]:
        return "a type that the topic does not carry"
    data = data if kind is None else parsed(value, strictly=sent.topic in _KEPT)
    return "not JSON" if data is BROKEN else (str(name), data)


# ── the matter: what a service asks beyond the form ───────────────────────────────────────────────────────────────

_KNOWN_POLICIES = {path.stem for path in _POLICIES.glob("*@*.yaml")}


def _incidents(kind: str, data: Mapping[str, Any]) -> str | None:
    """services/entitlements: every mutated incident is one of its own, of which nothing was said before."""
    action = kind.split(".")[1]
    if action in ("paused", "resumed"):
        return None  # it may come before its incident
    if action == "approved":
        return "an approval for an incident that nobody declared"
    if action in ("resolved", "retracted"):
        return "revision 1 states the incident whole" if data["revision"] == 1 else None
    if data["policy"] not in _KNOWN_POLICIES:
        return "a policy that nobody published"
    if data["revision"] > 1:
        return None  # it waits for the first
    impact = data["impact"]
    instants = [data["declared_at"], impact["starts_at"], impact.get("ends_at")]
    instants += [one[name] for one in impact.get("also", ()) for name in ("starts_at", "ends_at")]
    if not all(1900 <= int(instant[:4]) <= 2999 for instant in instants if instant):
        return "a year in which no calendar can be relied on"
    return None


def _contracts(_kind: str, data: Mapping[str, Any]) -> str | None:
    """services/entitlements/schema.sql: the version is an integer of PostgreSQL."""
    return "a version beyond the column" if data.get("version", 0) >= 2**31 else None


def _entitlements(_kind: str, data: Mapping[str, Any]) -> str | None:
    """services/billing/schema.sql: ids of entries and grants are UUIDs; an amount is more than nothing."""
    parts = [*data.get("remedies", ()), *data.get("withdrawals", ())]
    # A mutated event speaks of contracts that billing does not know: what stands in a remedy's place is booked.
    parts += [
        next(iter(one["remedy"] for one in part.get("substitutes", ()) if "unknown_contract" in one["reasons"]), {})
        for part in parts
    ]
    for part in parts:
        ids = [part[name] for name in ("entry_id", "grant_id", "withdraws") if name in part]
        if not all(_is_uuid(one) for one in ids):
            return "an id that is no UUID"
        if "amount" in part and float(part["amount"]["amount"]) == 0:
            return "an amount of nothing"
    return None


def _is_uuid(text: str) -> bool:
    digits = text.replace("-", "")
    return re.fullmatch("[0-9a-fA-F]{32}", digits, re.ASCII) is not None and len(text) <= 36


_Rule = Callable[[str, Mapping[str, Any]], str | None]
_RULES: Mapping[tuple[str, str], _Rule] = {
    ("entitlements", "incident"): _incidents,
    ("entitlements", "contract"): _contracts,
    ("billing", "entitlement"): _entitlements,
}
