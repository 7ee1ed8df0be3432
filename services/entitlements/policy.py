"""Policies: what is promised, as YAML files that are validated whole when they are loaded.

A policy that could be read in two ways is not read at all: a wrong field, a float for money or a bad zone is a
`PolicyError` that names the file, the path in it and what would be right. Leaves to `policy_errors` the wording of
what is wrong, and to `decide` who gets what.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.events import LetterKind
from schemas.values import AMOUNT_PATTERN, CURRENCIES, exponent
from services.entitlements.domain import Kind, rounded
from services.entitlements.policy_errors import PolicyError, nearest, read_yaml, said_plainly
from services.entitlements.policy_fields import Currency, Length, Name, Names, Positive, Scalar, Slug, TimeZone

SHIPPED = Path(__file__).parent / "policies"
"""The folder of the policies that come with the service."""

LARGEST_FILE_BYTES = 256 * 1024


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, populate_by_name=False)


class Amount(_Part):
    """Money as a policy writes it, kept with all the decimals of its currency."""

    amount: Positive
    currency: Currency

    @model_validator(mode="before")
    @classmethod
    def _at_the_exponent(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("currency") not in CURRENCIES:
            return data  # its own fields say what is wrong
        amount, currency = data.get("amount"), data["currency"]
        if not isinstance(amount, str) or not re.fullmatch(AMOUNT_PATTERN, amount):
            return data
        exact = rounded(Decimal(amount), currency)
        if exact != Decimal(amount):
            raise ValueError(
                f"{amount} {currency} has too many decimals: {currency} has {exponent(currency)}, "
                f'write for example "{exact}"'
            )
        return {**data, "amount": str(exact)}


class Extension(_Part):
    """Calendar days added to a contract's end."""

    days: Annotated[int, Field(ge=1, le=3660, strict=True)]


class Addon(_Part):
    """A complimentary product with an end of its own: the day of the declaration and the period `for`."""

    product: Slug
    length: Annotated[Length, Field(alias="for")]


class Voucher(_Part):
    """A voucher: value and shipping have caps of their own, in one currency; valid from the declaration on."""

    amount: Amount
    merchant: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    shipping_cap: Amount | None = None
    handling_covered: Annotated[bool, Field(strict=True)] = False
    valid_for: Length

    @model_validator(mode="after")
    def _one_currency(self) -> Voucher:
        if self.shipping_cap is not None and self.shipping_cap.currency != self.amount.currency:
            raise ValueError(
                f"shipping_cap is in {self.shipping_cap.currency} and amount in {self.amount.currency}: "
                "write both in one currency"
            )
        return self


class Credit(_Part):
    """Money on the customer's account."""

    amount: Amount


class Remedy(_Part):
    """One of the four kinds of remedy."""

    extension: Extension | None = None
    addon: Addon | None = None
    voucher: Voucher | None = None
    credit: Credit | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Remedy:
        kinds = [kind for kind in type(self).model_fields if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"gives {' and '.join(kinds) or 'nothing'}: write exactly one of extension, addon, voucher, credit"
            )
        return self

    @property
    def kind(self) -> Kind:
        if self.extension:
            return "extension"
        if self.addon:
            return "addon"
        return "voucher" if self.voucher else "credit"


class When(_Part):
    """Which of the contracts that were hit a rule is for: those that meet every list and every attribute given."""

    families: Names | None = None
    products: Names | None = None
    sites: Names | None = None
    attributes: Annotated[dict[str, Scalar], Field(min_length=1, max_length=100)] | None = None


class IfOwned(_Part):
    """What a customer gets who had `product` at the window already."""

    product: Name
    instead: Remedy


class Rule(_Part):
    """One promise: to whom it was made, and what it gives."""

    rule: Slug
    per: Literal["contract", "customer"]
    when: When = When()
    give: Remedy
    if_owned: IfOwned | None = None

    @model_validator(mode="after")
    def _days_belong_to_a_contract(self) -> Rule:
        remedies = [self.give, *([self.if_owned.instead] if self.if_owned else [])]
        if self.per == "customer" and any(remedy.extension for remedy in remedies):
            raise ValueError("an extension adds days to a contract: write per: contract")
        return self


class Policy(_Part):
    """A policy, whole. `key` is what an incident names it by."""

    name: Slug
    version: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    title: Annotated[str, Field(min_length=1, max_length=300)]
    time_zone: TimeZone
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=100)]
    letters: Annotated[tuple[LetterKind, ...], Field(min_length=1)] = ("details",)

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"

    @model_validator(mode="after")
    def _rules_have_names_of_their_own(self) -> Policy:
        names = [rule.rule for rule in self.rules]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise ValueError(f"rules[{index}].rule: {name!r} is taken: write a name that no other rule has")
        return self


class Policies(Mapping[str, Policy]):
    """The policies of a folder by `name@version`; asking for another is a `PolicyError` that lists the known ones."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._policies = dict(policies)

    def __getitem__(self, key: str) -> Policy:
        return self._policies[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)

    def named(self, key: str) -> Policy:
        """The policy of that name. Raises PolicyError, with the names that are known, when there is none."""
        policy = self._policies.get(key)
        if policy is None:
            close = nearest(key, self._policies, "")
            hint = f" did you mean {close}?" if close else ""
            known = ", ".join(sorted(self._policies)) or "none"
            raise PolicyError([f"there is no policy {key}:{hint} The known policies are: {known}"])
        return policy


def parse_policy(text: str, file: str | Path) -> Policy:
    """The policy that a YAML text holds; `file` is its name, for the errors and because it must say the same.

    Raises PolicyError with every problem of the file, each naming the file and the path.
    """
    data = read_yaml(text, name := Path(file).name)
    try:
        policy = Policy.model_validate(data)
    except ValidationError as error:
        raise PolicyError([f"{name}: {line}" for line in said_plainly(error, Policy)]) from None
    if name != f"{policy.key}.yaml":
        raise PolicyError([f"{name}: name, version: the policy is {policy.key}: call the file {policy.key}.yaml"])
    return policy


def load_policies(folder: str | Path = SHIPPED) -> Policies:
    """Every policy of a folder, by `name@version`.

    Raises PolicyError with the problems of every file, so that one look mends them all.
    """
    try:
        files = sorted(path for path in Path(folder).iterdir() if path.suffix in (".yaml", ".yml"))
    except OSError as error:
        raise PolicyError([f"{folder}: cannot be read ({error.strerror}): name a folder of policies"]) from None
    if not files:
        raise PolicyError([f"{folder}: holds no policy: write one as <name>@<version>.yaml"])
    policies: dict[str, Policy] = {}
    problems: list[str] = []
    for path in files:
        try:
            policy = parse_policy(_text(path), path)
        except PolicyError as error:
            problems.extend(error.problems)
        else:
            policies[policy.key] = policy
    if problems:
        raise PolicyError(problems)
    return Policies(policies)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if len(content) > LARGEST_FILE_BYTES:
            raise PolicyError([f"{path.name}: is {len(content)} bytes: write {LARGEST_FILE_BYTES} at most"])
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyError([f"{path.name}: byte {error.start} is not UTF-8: save the file as UTF-8"]) from None
    except OSError as error:
        raise PolicyError([f"{path.name}: cannot be read ({error.strerror})"]) from None
