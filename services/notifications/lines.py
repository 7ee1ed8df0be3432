"""The lines of a letter: what an outcome, remedy or reversal says, as a key that customers share and what is one's own.

Leaves the words to `wording` and the templates, and which of them stand in a letter to `news`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from schemas.events import LetterKind


class IncompleteOutcomeError(ValueError):
    """An outcome, remedy or reversal lacks what the letter must say of it, such as an extended contract's new date."""


class Section(StrEnum):
    """The parts of a letter that list something, in the order of the letter."""

    EXTENSIONS = "extensions"
    ADDONS = "addons"
    VOUCHERS = "vouchers"
    CREDITS = "credits"
    REFUSALS = "refusals"
    TAKEN = "taken"
    KEPT = "kept"


class Line(NamedTuple):
    """One line of a letter: what many customers' lines share (`key`, hashable), and what is this one's own.

    `key` is the name of the templates' macro and its arguments; `own` is the contract's id or the voucher's code.
    `section` is the place of the line's section among all.
    """

    section: int
    key: tuple[Any, ...]
    own: str


Said: TypeAlias = Callable[[Mapping[str, Any]], Line]
"""What a letter says of one part of an event."""


def line(outcome: Mapping[str, Any]) -> Line:
    """What a letter says of one outcome of `adjustment.applied.v1`, given as the JSON object on the wire.

    Raises IncompleteOutcomeError if something is missing that the letter must name.
    """
    try:
        if outcome["outcome"] == "refused":
            contract = outcome.get("contract_id") or ""
            key = ("refusal", outcome["kind"], outcome.get("product"), outcome["reason"], bool(contract))
            return Line(4, key, contract)
        return _APPLIED[outcome["kind"]](outcome)
    except (KeyError, TypeError) as missing:
        raise _incomplete("outcome", outcome, missing) from missing


def _extension(outcome: Mapping[str, Any]) -> Line:
    dates = outcome["ends_on"]
    key = ("extension", outcome["product"], dates["before"], dates["after"])
    return Line(0, key, _given(outcome, "contract_id"))


def _addon(outcome: Mapping[str, Any]) -> Line:
    contract = outcome.get("contract_id") or ""
    return Line(1, ("addon", outcome["product"], _given(outcome, "ends_on"), bool(contract)), contract)


def _voucher(outcome: Mapping[str, Any]) -> Line:
    terms = (
        _money(outcome.get("amount")),
        outcome.get("merchant"),
        _money(outcome.get("shipping_cap")),
        bool(outcome.get("handling_covered")),
    )
    return Line(2, ("voucher", *terms, _given(outcome, "valid_until")), _given(outcome, "code"))


def _credit(outcome: Mapping[str, Any]) -> Line:
    amount = _money(outcome.get("amount"))
    return Line(3, ("credit", amount), "" if amount else _given(outcome, "credit_id"))


def _given(outcome: Mapping[str, Any], field: str) -> str:
    value = outcome[field]
    if not isinstance(value, str) or not value:
        raise KeyError(field)
    return value


def _money(value: Mapping[str, str] | None) -> tuple[str, str] | None:
    return None if value is None else (value["amount"], value["currency"])


_APPLIED = {"extension": _extension, "addon": _addon, "voucher": _voucher, "credit": _credit}


# ── What is only announced ───────────────────────────────────────────────────────────────────────────────────────


def announced(remedy: Mapping[str, Any]) -> Line:
    """What an announcement says of a remedy that is owed (or was applied by now): no code and no new date.

    Raises IncompleteOutcomeError if something is missing that the letter must name.
    """
    try:
        return _ANNOUNCED[remedy["kind"]](remedy)
    except (KeyError, TypeError) as missing:
        raise _incomplete("remedy", remedy, missing) from missing


def _announced_extension(remedy: Mapping[str, Any]) -> Line:
    dates = remedy.get("ends_on")
    days = remedy["days"] if dates is None else _days_between(dates)
    return Line(0, ("announced_extension", remedy["product"], days), _given(remedy, "contract_id"))


def _announced_addon(remedy: Mapping[str, Any]) -> Line:
    contract = remedy.get("contract_id") or ""
    return Line(1, ("announced_addon", remedy["product"], bool(contract)), contract)


def _announced_voucher(remedy: Mapping[str, Any]) -> Line:
    terms = (_money(remedy.get("amount")), remedy.get("merchant"), _money(remedy.get("shipping_cap")))
    return Line(2, ("announced_voucher", *terms, bool(remedy.get("handling_covered"))), "")


def _announced_credit(remedy: Mapping[str, Any]) -> Line:
    return Line(3, ("announced_credit", _money(remedy.get("amount"))), "")


_ANNOUNCED = {
    "extension": _announced_extension,
    "addon": _announced_addon,
    "voucher": _announced_voucher,
    "credit": _announced_credit,
}


# ── What was taken back, and what stays ──────────────────────────────────────────────────────────────────────────


def taken(reversal: Mapping[str, Any]) -> Line:
    """What a correction says of a reversal that was carried out.

    Raises IncompleteOutcomeError if something is missing that the letter must name.
    """
    return _reversal(5, "taken", reversal)


def kept(reversal: Mapping[str, Any]) -> Line:
    """What a correction says of what is no longer owed and stays all the same. Raises as `taken` does."""
    return _reversal(6, "kept", reversal)


def _reversal(section: int, verb: str, reversal: Mapping[str, Any]) -> Line:
    try:
        kind = reversal["kind"]
        macro = f"{verb}_{kind}"
        if kind in ("extension", "addon"):
            contract = _given(reversal, "contract_id")
            after = (reversal.get("ends_on") or {}).get("after") if kind == "extension" else None
            return Line(section, (macro, _given(reversal, "product"), reversal.get("days"), after), contract)
        code = (reversal.get("code") or "") if kind == "voucher" else ""
        return Line(section, (macro, _money(reversal.get("amount")), reversal.get("merchant"), bool(code)), code)
    except (KeyError, TypeError) as missing:
        raise _incomplete("reversal", reversal, missing) from missing


def given(kind: LetterKind) -> Said:
    """What a letter of this kind says of what was given."""
    return announced if kind == "announcement" else line


def _days_between(dates: Mapping[str, str]) -> int:
    return (date.fromisoformat(dates["after"]) - date.fromisoformat(dates["before"])).days


def _incomplete(what: str, part: Mapping[str, Any], missing: Exception) -> IncompleteOutcomeError:
    return IncompleteOutcomeError(f"{what} {part.get('entry_id')} of kind {part.get('kind')} lacks {missing}")
