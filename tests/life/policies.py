"""Policies, contracts and incidents by chance: small worlds, in which things meet often.

Every policy is a tree as YAML has it; `policy_of` gives it to the service through its own text. Leaves to the tests
what is asked of them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import yaml
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from services.entitlements.policy import Policy, parse_policy_text
from services.entitlements.policy_errors import PolicyError
from tests.life.oracle_promise import Tree

SITES, FAMILIES = ("arezzo", "bergamo"), ("hosting", "dedicated", "virtual")
CUSTOMERS = ("anna", "bruno", "carla", "dario")
_ZONES = ("America/New_York", "Asia/Tokyo", "Europe/Rome", "Mars/Phobos")
_FIRST = datetime(2011, 4, 28, 20, 0, tzinfo=UTC)
"""Two hours before a midnight in Rome, and two days before a month's end."""
_REASONS = ("expired", "terminated", "open_ended", "unknown_contract")


class _WrittenOut(yaml.SafeDumper):
    """Writes the same value twice rather than an alias: policies have none."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def policy_of(tree: Tree) -> Policy:
    """The policy as the service reads it from YAML; raises PolicyError."""
    return _read(yaml.dump(tree, Dumper=_WrittenOut, sort_keys=False, allow_unicode=True))


@lru_cache(maxsize=8)
def _read(text: str) -> Policy:
    return parse_policy_text(text)


# ── policies ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _maybe(draw: DrawFn, one_in: int) -> bool:
    return draw(st.integers(1, one_in)) == one_in


def _euro(draw: DrawFn, *amounts: str) -> Tree:
    return {"amount": draw(st.sampled_from(amounts)), "currency": "EUR"}


def _scale(draw: DrawFn, body: Tree, caps: list[Any]) -> None:
    """Make a remedy grow with the outage, perhaps after a grace, perhaps up to a cap."""
    if draw(st.booleans()):
        body["per"] = draw(st.sampled_from(["started hour", "started day", "calendar day"]))
        if _maybe(draw, 3):
            body["after"] = draw(st.sampled_from(["90 minutes", "5 hours", "1 day"]))
        if _maybe(draw, 3):
            body["at_most"] = draw(st.sampled_from(caps))


def _bands(draw: DrawFn, sizes: list[Tree]) -> list[Tree]:
    if draw(st.booleans()):
        measures: list[Tree] = [{"outage": {"at_least": text}} for text in ("1 hour", "6 hours", "1 day", "2 days")]
    else:
        measures = [{"availability_below": text} for text in ("99.9 %", "99 %", "95 %")]
    first = draw(st.integers(0, 1))
    chosen = measures[first : first + draw(st.integers(1, 3))]
    return [{**measure, **draw(st.sampled_from(sizes))} for measure in chosen]


def _extension(draw: DrawFn) -> Tree:
    if _maybe(draw, 4):
        return {"extension": {"bands": _bands(draw, [{"days": 2}, {"days": 7}, {"days": 15}])}}
    body: Tree = {"days": draw(st.sampled_from([1, 3, 15]))}
    _scale(draw, body, [5, 30])
    return {"extension": body}


def _addon(draw: DrawFn) -> Tree:
    product = draw(st.sampled_from(["business-mail", "gigamail"]))
    return {"addon": {"product": product, "for": draw(st.sampled_from(["1 year", "6 months"]))}}


def _money(draw: DrawFn, per_contract: bool) -> Tree:
    sizes: list[Tree] = [{"amount": {"amount": text, "currency": "EUR"}} for text in ("1.00", "2.35", "5.00")]
    shares: list[Tree] = [{"share": text} for text in ("10 %", "12.5 %", "100 %")] if per_contract else []
    if _maybe(draw, 4):
        body: Tree = {"bands": _bands(draw, draw(st.sampled_from([sizes, shares])) if per_contract else sizes)}
    else:
        body = dict(draw(st.sampled_from([*sizes, *shares])))
        _scale(draw, body, [{"amount": "7.50", "currency": "EUR"}, *(["100 %"] if per_contract else [])])
    if draw(st.booleans()):
        return {"credit": body}
    return {"voucher": {**body, "merchant": "Fotoaruba", "valid_for": "1 year"}}


def _when(draw: DrawFn) -> Tree:
    when: Tree = {}
    if _maybe(draw, 3):
        when["families"] = draw(st.lists(st.sampled_from(FAMILIES), min_size=1, max_size=2, unique=True))
    if _maybe(draw, 6):
        when["sites"] = [draw(st.sampled_from(SITES))]
    if _maybe(draw, 6):
        when["attributes"] = draw(st.sampled_from([{"tier": "gold"}, {"tier": ["gold", 1]}, {"tier": True}]))
    if _maybe(draw, 8):
        when["addons"] = ["business-mail"]
    if _maybe(draw, 8):
        when["outage"] = draw(st.sampled_from([{"at_least": "5 hours"}, {"less_than": "1 day"}]))
    if _maybe(draw, 8):
        when["tenure"] = draw(st.sampled_from([{"at_least": "1 year"}, {"less_than": "6 months"}]))
    if _maybe(draw, 8):
        when["monthly_fee"] = {"currency": "EUR", "at_least": "10.00"}
    return when


def _rule(draw: DrawFn, name: str, earlier: list[str], across: str) -> Tree:
    per = draw(st.sampled_from(["contract", "contract", "customer"]))
    kinds = ["extension", "addon", "money"] if per == "contract" else ["addon", "money"]
    kind = draw(st.sampled_from(kinds))
    give = {"extension": _extension, "addon": _addon}.get(kind, lambda d: _money(d, per == "contract"))(draw)
    rule: Tree = {"rule": name, "per": per, "when": _when(draw), "give": give, "across_incidents": across}
    if not rule["when"]:
        del rule["when"]
    if kind == "addon" and _maybe(draw, 2):
        rule["if_owned"] = {"product": next(iter(give.values()))["product"], "instead": _addon(draw)}
    if kind == "extension" and _maybe(draw, 2):
        other = draw(st.sampled_from([{"credit": {"same_worth": True}}, None])) or _money(draw, True)
        reasons = draw(st.lists(st.sampled_from(_REASONS), min_size=1, max_size=4, unique=True))
        rule["if_refused"] = [{"reasons": reasons, "give": other}]
    if earlier and _maybe(draw, 4):
        rule["unless"] = [draw(st.sampled_from(earlier))]
    return rule


@st.composite
def policies(draw: DrawFn, name: str = "chance", *, gated: bool = False) -> Tree:
    """A policy of one to three rules."""
    across = draw(st.sampled_from(["each", "merged"]))
    names = ["first", "second", "third"][: draw(st.integers(1, 3))]
    rules = [_rule(draw, rule, names[:index], across) for index, rule in enumerate(names)]
    tree: Tree = {"name": name, "version": 1, "title": "By chance", "time_zone": "Europe/Rome", "rules": rules}
    tree["when_narrowed"] = draw(st.sampled_from(["honour", "reverse"]))
    tree["letters"] = draw(st.sampled_from([["details"], ["announcement", "details"], ["announcement"]]))
    if gated and _maybe(draw, 2):
        tree["budget"] = [{"currency": "EUR", "ceiling": draw(st.sampled_from(["12.00", "40.00"]))}]
        if draw(st.booleans()):
            tree["budget"][0]["approval_above"] = draw(st.sampled_from(["0 %", "50 %"]))
    if gated and _maybe(draw, 3):
        tree["canary"] = draw(st.sampled_from([1, {"customers": 2, "then": "approval"}]))
    try:
        policy_of(tree)
    except PolicyError:
        assume(False)
    return tree


# ── contracts ────────────────────────────────────────────────────────────────────────────────────────────────────

_LONG_AGO, _FAR = ("2009-06-01", "2010-04-29"), ("2011-12-31", "2012-02-29")
_STARTS = (*_LONG_AGO * 4, "2011-04-28", "2011-04-29", "2011-04-30", "2011-05-02")
_ENDS = (
    *_FAR * 4,
    None,
    None,
    None,
    "2011-04-27",
    "2011-04-28",
    "2011-04-29",
    "2011-05-01",
    "2011-05-09",
    "2011-05-12",
)
_TERMINATED = (*(None,) * 8, "2011-04-29", "2011-04-30", "2011-05-10", "2011-09-01")
_FEES: tuple[Tree | None, ...] = (
    None, {"amount": "9.99", "currency": "EUR"}, {"amount": "10.00", "currency": "EUR"},
    {"amount": "33.35", "currency": "EUR"}, {"amount": "1000", "currency": "JPY"},
)  # fmt: skip


@st.composite
def contract(draw: DrawFn, contract_id: str, customer_id: str, *, euros: bool = False) -> Tree:
    """A contract with dates close to the outages."""
    attributes: Tree = {}
    if _maybe(draw, 3):
        attributes["time_zone"] = draw(st.sampled_from(_ZONES))
    if _maybe(draw, 3):
        attributes["tier"] = draw(st.sampled_from(["gold", "silver", 1, True]))
    family = draw(st.sampled_from(FAMILIES))
    return {
        "contract_id": contract_id, "customer_id": customer_id, "family": family, "product": f"{family}-basic",
        "site": draw(st.sampled_from(SITES)), "starts_on": draw(st.sampled_from(_STARTS)),
        "ends_on": draw(st.sampled_from(_ENDS)), "terminated_on": draw(st.sampled_from(_TERMINATED)),
        "monthly_fee": draw(st.sampled_from(_FEES[:4] if euros else _FEES)),
        "addons": draw(st.sampled_from([[], [], [], ["business-mail"]])),
        "attributes": attributes, "version": 1,
    }  # fmt: skip


@st.composite
def holdings(draw: DrawFn, prefix: str, customers: int, *, euros: bool = False) -> list[Tree]:
    """What some customers hold: one to three contracts each."""
    held = []
    for customer in CUSTOMERS[:customers]:
        for number in range(draw(st.integers(1, 3))):
            customer_id = f"{prefix}-{customer}"
            held.append(draw(contract(f"{customer_id}-{number}", customer_id, euros=euros)))
    return held


# ── incidents ────────────────────────────────────────────────────────────────────────────────────────────────────

hours: SearchStrategy[int] = st.sampled_from([0, 1, 2, 3, 4, 5, 7, 12, 24, 30, 51, 60])
"""Hours since the first moment that an outage can begin."""


def moment(hour: float) -> str:
    """So many hours after the first moment."""
    return (_FIRST + timedelta(hours=hour)).isoformat()


@st.composite
def interval(draw: DrawFn) -> tuple[int, int]:
    """A stretch of an outage in hours."""
    start = draw(hours)
    return start, start + draw(st.sampled_from([1, 2, 5, 6, 24, 25, 48]))


@st.composite
def scopes(draw: DrawFn, contract_ids: list[str]) -> Tree:
    """Everyone, or some sites, families, contracts."""
    kind = draw(st.sampled_from(["everyone", "sites", "sites", "families", "both", "contracts"]))
    if kind == "everyone":
        return {"everyone": True}
    scope: Tree = {}
    if kind in ("sites", "both"):
        scope["sites"] = draw(st.lists(st.sampled_from(SITES), min_size=1, max_size=2, unique=True))
    if kind in ("families", "both"):
        scope["families"] = draw(st.lists(st.sampled_from(FAMILIES), min_size=1, max_size=2, unique=True))
    if kind == "contracts":
        scope["contract_ids"] = draw(st.lists(st.sampled_from(contract_ids), min_size=1, max_size=3, unique=True))
    return scope


@st.composite
def whole(draw: DrawFn, contract_ids: list[str]) -> Tree:
    """What a declaration or an amendment says: the impact and the scope."""
    start, end = draw(interval())
    impact: Tree = {"starts_at": moment(start), "ends_at": draw(st.sampled_from([moment(end), moment(end), None]))}
    if _maybe(draw, 4):
        also = draw(st.lists(interval(), min_size=1, max_size=2))
        impact["also"] = [{"starts_at": moment(a), "ends_at": moment(b)} for a, b in also]
    return {"impact": impact, "scope": draw(scopes(contract_ids))}
