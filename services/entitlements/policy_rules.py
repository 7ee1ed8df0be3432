"""The rules of a policy: one promise each, to whom it was made and what it gives.

Leaves to `policy` how the rules stand to each other.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from services.entitlements.policy_conditions import When
from services.entitlements.policy_fields import Part, Slug
from services.entitlements.policy_remedies import IfOwned, IfRefused, Remedy


class Rule(Part):
    """One promise: to whom it was made, and what it gives."""

    rule: Slug
    per: Literal["contract", "customer"]
    when: When = When()
    give: Remedy
    if_owned: IfOwned | None = None
    if_refused: Annotated[tuple[IfRefused, ...], Field(min_length=1)] = ()
    unless: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=100)] = ()
    """Earlier rules: whoever one of them gave something gets nothing by this one."""
    across_incidents: Literal["merged", "each"] = "merged"
    """Whether overlapping incidents are paid once together, or each by itself."""

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """What it gives: the gift, and the alternative for those who own it already."""
        return (self.give, self.if_owned.instead) if self.if_owned else (self.give,)

    @model_validator(mode="after")
    def _days_belong_to_a_contract(self) -> Rule:
        substitutes = [refused.give for refused in self.if_refused]
        money = [remedy.money for remedy in (*self.remedies, *substitutes) if remedy.money]
        if self.per == "customer" and any(remedy.extension for remedy in self.remedies):
            raise ValueError("an extension adds days to a contract: write per: contract")
        if self.per == "customer" and any(worth.asks_for_the_fee for worth in money):
            raise ValueError("a share of the monthly fee is of a contract's: write per: contract")
        if any(remedy.credit and remedy.credit.same_worth for remedy in self.remedies):
            raise ValueError("same_worth is the worth of days that were refused: write it under if_refused alone")
        return self

    @model_validator(mode="after")
    def _what_is_refused_has_one_substitute(self) -> Rule:
        if self.if_refused and not any(remedy.extension or remedy.addon for remedy in self.remedies):
            raise ValueError(f"no {self.give.kind} is ever refused: leave if_refused out")
        same_worth = any(refused.give.credit and refused.give.credit.same_worth for refused in self.if_refused)
        if same_worth and not all(remedy.extension for remedy in self.remedies):
            raise ValueError("same_worth is the worth of days: write it where an extension is given")
        reasons = [reason for refused in self.if_refused for reason in refused.reasons]
        if twice := [reason for index, reason in enumerate(reasons) if reason in reasons[:index]]:
            raise ValueError(f"if_refused says twice what takes the place when {twice[0]}: write it once")
        return self
