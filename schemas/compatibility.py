"""Whether a change of an event may be made within its version, in plain words.

An event type has old producers and old consumers at once, and old events that are read again on a replay. So within
a version

- nothing that readers rely on goes: no field is removed, retyped, made optional or nullable, and no default changes;
- nothing that was written becomes unreadable: no field is newly required, no value, bound, pattern or member of a
  union is taken away or narrowed.

Both are *breaks*: they need a new version of the type. A *widening* (another value of an enumeration, another member
of a union, a looser bound) is none: it is how the trade grows. But a consumer of before would set such an event
aside, so its consumers are deployed before its producers; `widenings` says which.
A new optional field is neither. Leaves the comparing to `schema_changes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from schemas.json_schemas import event_type_of
from schemas.schema_changes import Change, Hurts, changes
from schemas.topics import Topic, topic_of


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What in `new` breaks the readers or the events of `old`, one sentence each; empty when it may be made.

    Both are JSON Schemas of the same event type, named by `$id`. Raises `ValueError` when they are not.
    """
    return _told(old, new, {Hurts.READERS, Hurts.OLD_EVENTS})


def widenings(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What `new` allows beyond `old`: harmless once every consumer is deployed. Raises as `breaks` does."""
    return _told(old, new, {Hurts.OLD_READERS})


def _told(old: dict[str, Any], new: dict[str, Any], which: set[Hurts]) -> list[str]:
    event_type = event_type_of(new)
    if event_type_of(old) != event_type:
        raise ValueError(f"{event_type_of(old)} and {event_type} are two types, not two versions of one")
    found = [change for change in changes(old, new) if change.hurts in which]
    topic = topic_of(event_type)
    return [f"{event_type}: {_sentence(same, topic)}" for same in _gathered(found)]


def _gathered(found: Iterable[Change]) -> list[list[Change]]:
    """Changes that differ only in the member of the union that they are in, together."""
    groups: dict[tuple[str, str, Hurts], list[Change]] = {}
    for change in found:
        groups.setdefault((change.path, change.what, change.hurts), []).append(change)
    return list(groups.values())


def _sentence(same: list[Change], topic: Topic) -> str:
    first = same[0]
    members = [change.member for change in same]
    subject = f"field {first.path}" if first.path else "the event"
    if first.member and set(members) != first.members:
        subject += f" (of {', '.join(members)})"
    return f"{subject} {first.what}: {_why(first.hurts, topic)}"


def _why(hurts: Hurts, topic: Topic) -> str:
    consumers = ", ".join(topic.consumers) or "outside Amends"
    producers = ", ".join(topic.producers)
    if hurts is Hurts.READERS:
        owner = f"{topic.owner}'" if topic.owner.endswith("s") else f"{topic.owner}'s"
        return f"{owner} consumers ({consumers}) read it"
    if hurts is Hurts.OLD_EVENTS:
        return f"events on {topic.name}, and producers not yet changed ({producers}), would be refused"
    return f"deploy the consumers ({consumers}) before the producers ({producers})"
