"""Records of a quarantine in words: a table of them, one whole, what became of those that were tried or dropped.

What a record says was written by who knows whom: on a screen it is shown without a character that moves the cursor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from services.cli.output import data

Told = Mapping[str, Any]

NOT_DONE = ("refused", "failed", "already_dropped", "superseded")
"""What a command has not done. What was applied before is done."""
_WORDS = {
    "applied": "applied",
    "refused": "refused again",
    "dropped": "dropped",
    "already_applied": "applied before",
    "already_dropped": "dropped before (--even-dropped tries them all the same)",
    "superseded": "overtaken by a later record of the same key",
    "failed": "not answered for",
    "set_aside": "set aside",
}
_SHOWN_CHARACTERS = 20_000
_NAMED_AT_MOST = 20


def in_short(results: Mapping[str, int]) -> str:
    """How many records came to what."""
    return ", ".join(f"{count:,} {_WORDS[name]}" for name, count in results.items() if count) or "nothing to do"


def visible(text: str) -> str:
    """Text with what is no printable character (but for line ends) written out."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def show_list(found: Mapping[str, Told]) -> None:
    """The services' records as one table, their totals, and who has halted."""
    rows = [(service, row) for service, page in found.items() for row in page["records"]]
    if rows:
        table = Table("service", "id", "topic", "reason", "when", "state")
        for service, row in rows:
            tried = f", tried {row['attempts']}×" if row["attempts"] else ""
            state = _WORDS["superseded"] if row["state"] == "superseded" else row["state"].replace("_", " ")
            when = str(row["set_aside_at"])[:19].replace("T", " ")
            reason = escape(visible(row["reason"]))
            table.add_row(service, str(row["id"]), escape(row["topic"]), reason, when, state + tried)
        data.print(table)
    else:
        data.print("nothing is set aside")
    for service, page in found.items():
        for total in page["totals"][:_NAMED_AT_MOST] if page["records"] else ():
            words = f"{total['records']:>9,} {service} {total['topic']} {total['state'].replace('_', ' ')}: "
            data.print(words + visible(total["reason"]), markup=False)
        if page["more"] > 0:
            data.print(f"{service}: {page['more']:,} more (--limit, --topic, --reason, --state)", markup=False)
        for halt in page["halted"]:
            _show_halt(service, halt)


def _show_halt(service: str, halt: Told) -> None:
    data.print(f"{service} has halted: {visible(halt['why'])}", markup=False, style="red")
    for fault in halt["over"]:
        where = f"the first at {fault['topic']}[{fault['partition']}] offset {fault['offset']}"
        data.print(f"{fault['records']:>9,} in the batch that was rolled back, {where}: {visible(fault['reason'])}",
                   markup=False)  # fmt: skip


def show_record(service: str, record: Told) -> None:
    """One record whole."""
    lines = [
        f"{service} {record['id']}: {record['topic']}[{record['partition']}] offset {record['offset']}",
        f"cluster      {record['cluster']}",
        f"set aside    {record['set_aside_at']}",
        f"reason       {record['reason']}",
        f"state        {_WORDS[record['state']]}, tried again {record['attempts']} times",
    ]
    if record["applied_at"]:
        lines.append(f"applied      {record['applied_at']}")
    if record["dropped"]:
        dropped = record["dropped"]
        lines.append(f"dropped      {dropped['at']} by {dropped['by']}: {dropped['why']}")
    lines.append(f"key          {_octets(record['key'])}")
    lines += [f"header       {header['name']}: {_octets(header['value'])}" for header in record["headers"]]
    data.print("\n".join(visible(line) for line in lines), markup=False)
    data.print(f"\n{_octets(record['value'])}", markup=False)


def _octets(told: Mapping[str, str] | None) -> str:
    """Bytes as a person can read them."""
    if told is None:
        return "(none)"
    text = visible(told["text"]) if "text" in told else f"base64 {told['base64']}"
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[:_SHOWN_CHARACTERS]}… ({len(text):,} characters, all of them with --output json)"


def show_done(done: Sequence[Told], results: Mapping[str, int]) -> None:
    """What became of records: the numbers, and why some are not done."""
    data.print(in_short(results))
    left = [one for one in done if one["result"] in NOT_DONE]
    for one in left[:_NAMED_AT_MOST]:
        tried = f" (tried {one['attempts']} times)" if one["attempts"] else ""
        words = f"{one['service']} {one['id']}: {_WORDS[one['result']]}{tried}: {one['reason']}"
        data.print(visible(words), markup=False)
    if len(left) > _NAMED_AT_MOST:
        data.print(f"and {len(left) - _NAMED_AT_MOST:,} more: `amends quarantine list`")
