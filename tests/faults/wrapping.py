"""The ways to break a record beside its data: its bytes, its envelope, its key. One function each.

Some leave it as it should be: a producer may use the other mode of CloudEvents, or a header that nobody knows. Leaves
the data to `breaking`.
"""

from __future__ import annotations

import json
import random
from typing import Any

from schemas.examples import examples
from tests.faults.breaking import Draft, Way, envelope, headers_of
from tests.faults.judgement import Headers, Sent

# ── its bytes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _plain(draft: Draft) -> bytes:
    return json.dumps(draft.data, ensure_ascii=False).encode()


def flipped(draft: Draft, chance: random.Random) -> Sent:
    raw = bytearray(_plain(draft))
    for _ in range(chance.choice((1, 1, 2, 8))):
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return envelope(draft, "bits flipped", chance, bytes(raw))


def truncated(draft: Draft, chance: random.Random) -> Sent:
    raw = _plain(draft)
    return envelope(draft, "truncated", chance, raw[: chance.randrange(len(raw))])


def appended(draft: Draft, chance: random.Random) -> Sent:
    rest = chance.choice((b" ", b"\n", b"\x00", b"}", b",{}", b"{}", _plain(draft), b"\xff", b" //"))
    return envelope(draft, "something behind it", chance, _plain(draft) + rest)


def before(draft: Draft, chance: random.Random) -> Sent:
    return envelope(draft, "something before it", chance,
                    chance.choice((b"\xef\xbb\xbf", b" ", b"\x00", b"[", b"\n\n")) + _plain(draft))  # fmt: skip


def encoded(draft: Draft, chance: random.Random) -> Sent:
    text = _plain(draft).decode() + chance.choice(("", " "))
    encoding = chance.choice(("utf-16", "utf-32", "latin-1", "utf-7", "ascii"))
    return envelope(draft, "another encoding", chance, text.encode(encoding, "replace"))


def noise(draft: Draft, chance: random.Random) -> Sent:
    return envelope(draft, "noise", chance, chance.randbytes(chance.choice((0, 1, 100, 5_000))))


def tombstone(draft: Draft, chance: random.Random) -> Sent:
    key = chance.choice((draft.key, draft.key, b"", b"\xff\xfe", b"a\x00b"))
    sent = envelope(draft, "tombstone", chance, key=key)
    return Sent(sent.number, sent.topic, sent.key, None, sent.headers, sent.mutation)


BYTES: tuple[Way, ...] = (flipped, flipped, truncated, appended, before, encoded, noise, tombstone)

# ── its envelope ──────────────────────────────────────────────────────────────────────────────────────────────────


def header(draft: Draft, chance: random.Random) -> Sent:
    """A header gone, empty, null, twice, or something else."""
    headers = headers_of(draft)
    at = chance.randrange(len(headers))
    name, value = headers[at]
    other = chance.choice((b"", None, b"\xff\xfe", b"\x00", b"0.3", b"x" * 10_000, "café".encode()))
    match chance.randrange(5):
        case 0:
            del headers[at]
        case 1:
            headers[at] = (name, other)
        case 2:
            headers.append((name, other))
        case 3:
            headers.insert(0, (name, other))
        case _:
            headers[at] = (name.upper(), value)
    return envelope(draft, "a header", chance, headers=headers)


def many_headers(draft: Draft, chance: random.Random) -> Sent:
    more: Headers = [(chance.choice(("", "x", "ce_x", "日本")), chance.randbytes(20)) for _ in range(300)]
    return envelope(draft, "many headers", chance, headers=[*more, *headers_of(draft)])


def another_type(draft: Draft, chance: random.Random) -> Sent:
    kind = chance.choice(("letter.settled.v1", "contract.changed.v1", "adjustment.applied.v1", "customer.changed.v2",
                          "CUSTOMER.CHANGED.V1", "incident.declared.v1", "a\x00b"))  # fmt: skip
    return envelope(
        draft, "another type", chance, headers=headers_of(Draft(draft.number, draft.topic, kind, draft.data))
    )


def another_topics_event(draft: Draft, chance: random.Random) -> Sent:
    """A good event, in the wrong place."""
    kind = chance.choice(("letter.settled.v1", "progress.reported.v1", "run.reported.v1"))
    data = json.loads(chance.choice(list(examples(kind).values())))
    stray = Draft(draft.number, draft.topic, kind, data)
    return envelope(stray, "another topic's event", chance, key=draft.key)


def structured(draft: Draft, chance: random.Random) -> Sent:
    """The other mode of CloudEvents, as it should be or with an attribute that is not."""
    event: dict[str, Any] = {"id": f"s-{draft.number}", "source": "urn:x", "type": draft.kind, "specversion": "1.0",
                             "data": draft.data}  # fmt: skip
    match chance.randrange(4):
        case 0:
            event[chance.choice(list(event))] = chance.choice(("", 7, None, "x"))
        case 1:
            del event[chance.choice(list(event))]
    content = chance.choice(
        (b"application/cloudevents+json", b"application/cloudevents+json; charset=utf-8", b"", b"text/plain")
    )
    return envelope(draft, "structured", chance, json.dumps(event).encode(), headers=[("content-type", content)])


ENVELOPES: tuple[Way, ...] = (header, header, many_headers, another_type, another_topics_event, structured, structured)

# ── its key ───────────────────────────────────────────────────────────────────────────────────────────────────────


def keyed(draft: Draft, chance: random.Random) -> Sent:
    """A key that is not the one: the data says whom it is about, so this is no poison."""
    keys = (b"", b"\xff\xfe\xfd", b"x" * 10_000, b"a\x00b", "chiavé".encode(), b"somebody else")
    # Without a key at all the broker itself refuses a record of a compacted topic.
    key = chance.choice(keys if draft.kind in ("customer.changed.v1", "contract.changed.v1") else (*keys, None))
    return envelope(draft, "a wrong key", chance, key=key)


def untouched(draft: Draft, chance: random.Random) -> Sent:
    return envelope(draft, "nothing", chance)


KEYS: tuple[Way, ...] = (keyed, untouched)
