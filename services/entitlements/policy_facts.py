"""What stands in a file of examples: an incident, a customer's contracts, and what he is owed then, in plain YAML.

`examples/<name>@<version>.yaml` beside a policy. Written for the people who answer for a policy; read strictly, with
errors as for a policy. Leaves to `policy_examples` whether the examples are true.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError, model_validator

from schemas.events import Impact, Interval, RefusalReason, Scope
from schemas.statements import Statement
from services.entitlements.domain import CUSTOMER, Complimentary, Contract, ExclusionReason, Why
from services.entitlements.policy import policy_text
from services.entitlements.policy_errors import PolicyError, read_yaml, said_plainly
from services.entitlements.policy_fields import Days, Name, Part, Slug, Title
from services.entitlements.policy_remedies import Amount

WHO = "the-customer"
"""The one customer whom the examples are about."""
_MONEY = re.compile(r"(\S+) ([A-Z]{3})")


def _money(value: Any) -> Any:
    match = _MONEY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'{value!r} is no money: write it in quotes such as "5.00 EUR"')
    return {"amount": match[1], "currency": match[2]}


Money = Annotated[Amount, BeforeValidator(_money)]
Day = Annotated[date, Field(strict=False)]


class Gift(Part):
    """An add-on that the contract had as an earlier remedy."""

    product: Name
    starts_on: Day
    ends_on: Day


class Facts(Part):
    """A contract of the customer, as the columns of contracts.csv have it."""

    contract: Name
    family: Name
    product: Name | None = None
    """The family's name when it does not matter."""
    site: Name | None = None
    starts_on: Day
    ends_on: Day | None = None
    terminated_on: Day | None = None
    monthly_fee: Money | None = None
    addons: tuple[Name, ...] = ()
    attributes: dict[str, Any] = Field(default_factory=dict)
    complimentary: tuple[Gift, ...] = ()

    def known(self) -> Contract:
        """As the projection knows it."""
        fee = self.monthly_fee
        return Contract(
            contract_id=self.contract,
            customer_id=WHO,
            family=self.family,
            product=self.product or self.family,
            site=self.site,
            starts_on=self.starts_on,
            ends_on=self.ends_on,
            terminated_on=self.terminated_on,
            monthly_fee=fee.amount if fee else None,
            currency=fee.currency if fee else None,
            addons=self.addons,
            attributes=self.attributes,
            complimentary=tuple(
                Complimentary(gift.product, gift.starts_on, gift.ends_on) for gift in self.complimentary
            ),
        )


class Hours(Part):
    """A window that is over."""

    starts_at: AwareDatetime
    ends_at: AwareDatetime


class Whom(Part):
    """Whom the incident could have hit: everyone, or the contracts that match every list that is given."""

    everyone: Annotated[bool, Field(strict=True)] = False
    sites: tuple[Name, ...] = ()
    families: tuple[Name, ...] = ()
    contract_ids: tuple[Name, ...] = ()

    def scope(self) -> Scope:
        """As an event has it; raises ValueError when it names nobody, or everyone and some."""
        return Scope(everyone=self.everyone, sites=self.sites, families=self.families, contract_ids=self.contract_ids)


EVERYONE = Whom(everyone=True)


class Said(Part):
    """What is said of an incident; what is left out stays as it was said before."""

    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    """null: it lasts."""
    also: tuple[Hours, ...] = ()
    scope: Whom = EVERYONE
    declared_at: AwareDatetime | None = None
    retracted: bool = False
    drill: bool = False

    def then(self, later: Said) -> Said:
        """This, with what a later word changes."""
        return self.model_copy(update={name: getattr(later, name) for name in later.model_fields_set})

    def statement(self, incident_id: str, revision: int, policy: str) -> Statement:
        """As a revision states it; raises ValueError when it cannot be."""
        if self.starts_at is None or self.declared_at is None:
            raise ValueError("starts_at and declared_at have to be said: write them")
        impact = Impact(starts_at=self.starts_at, ends_at=self.ends_at, also=intervals(self.also))
        return Statement(
            incident_id,
            revision,
            "an example",
            self.drill,
            impact,
            self.scope.scope(),
            policy,
            "example",
            self.declared_at,
            self.retracted,
        )


class Line(Part):
    """What the customer gets by one rule; what is not written here is not looked at."""

    rule: Slug
    contract: Name | None = None
    """None: it is the customer's, and of none of his contracts."""
    extension: Days | None = None
    addon: Slug | None = None
    voucher: Money | None = None
    credit: Money | None = None
    until: Day | None = None
    """When the add-on or the voucher ends."""
    merchant: str | None = None
    shipping_cap: Money | None = None
    handling_covered: bool | None = None
    since: int | None = None
    """The revision that it is owed since."""
    if_refused: dict[RefusalReason, Money] | None = None
    """What comes in its place, by the reason of the refusal."""

    @model_validator(mode="after")
    def _says_what(self) -> Line:
        kinds = [kind for kind in ("extension", "addon", "voucher", "credit") if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"says {' and '.join(kinds) or 'nothing'}: write one of extension, addon, voucher, credit")
        return self


class NoLonger(Part):
    """What the customer was granted and is owed no longer; `honoured` says that he keeps it."""

    rule: Slug
    contract: Name | None = None
    honoured: bool


class Gave(Part):
    """What another incident has given already: days, money, or an add-on."""

    rule: Slug
    contract: Name | None = None
    extension: Days | None = None
    addon: Slug | None = None
    money: Money | None = None

    @property
    def target(self) -> str:
        return self.contract or CUSTOMER


class Beside(Part):
    """Another incident under the same policy, and what it gave the customer."""

    incident: Name
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    scope: Whom = EVERYONE
    gave: tuple[Gave, ...] = ()


class Outcome(Part):
    """What is said, and what follows: all that the customer gets by it, or why he gets nothing."""

    incident: Said = Said()
    contracts: tuple[Facts, ...] | None = None
    """His contracts from then on, when something has become of them."""
    gets: tuple[Line, ...] | None = None
    no_longer: tuple[NoLonger, ...] = ()
    excluded: ExclusionReason | None = None
    verdicts: dict[Slug, dict[Name, Why]] = Field(default_factory=dict)
    """By rule and contract (or `customer`), the code of the verdict."""
    because: tuple[str, ...] = ()
    """What some verdict says in words."""

    @model_validator(mode="after")
    def _says_what_follows(self) -> Outcome:
        if self.gets is None and self.excluded is None:
            raise ValueError("does not say what the customer gets: write gets, or excluded with the reason")
        if self.gets and self.excluded:
            raise ValueError("gets something and is excluded: write one of the two")
        return self


class Example(Outcome):
    """A case: a customer's contracts, what is said, what follows; and `then`, what follows of what is said later."""

    example: Title
    contracts: tuple[Facts, ...]
    beside: tuple[Beside, ...] = ()
    then: tuple[Outcome, ...] = ()

    @property
    def steps(self) -> tuple[Outcome, ...]:
        """What is said, word after word."""
        return (self, *self.then)


class Examples(Part):
    """The examples of a policy; `incident` holds for all of them unless one says otherwise."""

    incident: Said = Said()
    examples: Annotated[tuple[Example, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _have_names_of_their_own(self) -> Examples:
        names = [example.example for example in self.examples]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise ValueError(f"examples[{index}].example: {name!r} is taken: write another title")
        return self


def intervals(hours: tuple[Hours, ...]) -> tuple[Interval, ...]:
    """Windows as events have them; raises ValueError for one that ends before it starts."""
    return tuple(Interval(starts_at=one.starts_at, ends_at=one.ends_at) for one in hours)


def read_examples(path: str | Path) -> Examples:
    """The examples of a file; raises PolicyError with every problem, each naming the file and the path."""
    name = f"examples/{Path(path).name}"
    try:
        return Examples.model_validate(read_yaml(policy_text(path), name, nulls=True, holds="examples"))
    except ValidationError as error:
        raise PolicyError([f"{name}: {line}" for line in said_plainly(error, Examples)]) from None


def examples_beside(policy: str | Path) -> Path:
    """Where the examples of a policy's file are kept."""
    return Path(policy).parent / "examples" / Path(policy).name
