"""The import of contracts as the process that it is: exit codes, words on stderr, the table and the topic after it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from deploy.local.stack import Stack
from schemas import topics
from schemas.csv_files import read_contracts
from schemas.events import ContractChanged
from services.runtime.database import Pool
from services.runtime.work import Workbench
from tests.integration.billing.world import Log, granted, read, take, written
from tests.unit.billing.builders import SECRET, addon, day, event, extension

HEADER = (
    "contract_id,customer_id,family,product,site,starts_on,ends_on,terminated_on,monthly_fee,currency,addons,attributes"
)
FIRST = "K-1,C-1,dedicated,dedicated-server,arezzo-1,2009-03-01,2012-03-01,,49.90,EUR,backup;monitoring,"
ROWS = [
    FIRST,
    'K-2,C-1,hosting,hosting-linux,,2010-05-01,2011-09-30,2011-08-01,,,,"{""includes_email"": true}"',
    'K-3,C-2,housing,rack,arezzo-2,2008-02-29,,,900,EUR,,"{""time_zone"": ""Asia/Tokyo""}"',
]
SECONDS = 60


class Job:
    """`python -m services.billing import-contracts` on this stack."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._file = folder / "contracts.csv"
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AMENDS_")
        } | {
            "AMENDS_KAFKA": stack.kafka,
            "AMENDS_DATABASE": stack.databases["billing"],
            "AMENDS_HTTP": "127.0.0.1:1",
            "AMENDS_OPERATOR_TOKEN": "an operator of the tests",
            "AMENDS_VOUCHER_SECRET": SECRET.hex(),
        }  # fmt: skip

    def run(self, *rows: str | bytes, header: str = HEADER, **settings: str | None) -> subprocess.CompletedProcess[str]:
        """Import a file of these rows; a setting of None is left out of the environment."""
        lines = [row if isinstance(row, bytes) else row.encode() for row in (header, *rows)]
        self._file.write_bytes(b"\n".join(lines) + b"\n")
        return self.run_with([str(self._file)], **settings)

    def run_with(self, arguments: list[str], **settings: str | None) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in (self.environment | settings).items() if v is not None}
        return subprocess.run(
            [sys.executable, "-m", "services.billing", "import-contracts", *arguments],
            env=environment, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip


@pytest.fixture
def job(foundation: Stack, tmp_path: Path) -> Job:
    return Job(foundation, tmp_path)


async def changes(log: Log) -> list[ContractChanged]:
    """What came to the topic of contracts, by contract and version."""
    records = await log.since(topics.CONTRACTS)
    told = [ContractChanged.model_validate_json(record.value) for record in records]
    assert [record.key.decode() for record in records] == [contract.contract_id for contract in told]
    return sorted(told, key=lambda contract: (contract.contract_id, contract.version))


async def contracts_in(pool: Pool) -> list[tuple[object, ...]]:
    query = "SELECT contract_id, base_ends_on, extension_days, ends_on, version FROM contract ORDER BY 1"
    return [tuple(row) for row in await pool.fetch(query)]


async def test_every_contract_of_a_file_is_kept_and_published_once(job: Job, pool: Pool, log: Log) -> None:
    done = job.run(*ROWS)
    assert done.returncode == 0, done.stderr
    one, two, three = await changes(log)
    assert (one.contract_id, one.customer_id, one.family, one.product) == (
        "K-1",
        "C-1",
        "dedicated",
        "dedicated-server",
    )
    assert (one.site, one.starts_on, one.ends_on, one.terminated_on) == (
        "arezzo-1",
        day("2009-03-01"),
        day("2012-03-01"),
        None,
    )
    assert one.monthly_fee is not None
    assert (str(one.monthly_fee.amount), one.monthly_fee.currency) == ("49.90", "EUR")
    assert (one.addons, one.attributes, one.version) == (("backup", "monitoring"), {}, 1)
    assert (two.site, two.terminated_on, two.monthly_fee, two.attributes) == (
        None,
        day("2011-08-01"),
        None,
        {"includes_email": True},
    )
    assert (three.ends_on, three.attributes) == (None, {"time_zone": "Asia/Tokyo"})
    assert [row[0] for row in await contracts_in(pool)] == ["K-1", "K-2", "K-3"]
    assert [orjson.loads(line) for line in done.stdout.splitlines()][-1] == {"phase": "published", "rows": 3}


async def test_the_same_file_again_publishes_nothing(job: Job, pool: Pool, log: Log) -> None:
    job.run(*ROWS)
    before, said = await contracts_in(pool), await written(pool)
    await log.follow(topics.CONTRACTS)
    again = job.run(*ROWS)
    assert again.returncode == 0, again.stderr
    assert orjson.loads(again.stdout.splitlines()[-1]) == {"phase": "published", "rows": 0}
    assert await contracts_in(pool) == before
    assert await written(pool) == said
    assert await changes(log) == []


async def test_only_what_differs_is_published(job: Job, log: Log) -> None:
    job.run(*ROWS)
    await log.follow(topics.CONTRACTS)
    job.run(ROWS[0].replace("backup;monitoring", "backup"), *ROWS[1:], ROWS[2].replace("K-3", "K-4"))
    told = await changes(log)
    assert [(c.contract_id, c.version, c.addons) for c in told] == [("K-1", 2, ("backup",)), ("K-4", 1, ())]


async def test_a_new_end_after_an_extension_is_the_new_base_and_the_same_days(
    job: Job, workbench: Workbench, pool: Pool, log: Log
) -> None:
    job.run(*ROWS)
    await take(workbench, read(granted([event(extension(), addon())])))
    assert (await contracts_in(pool))[0] == ("K-1", day("2012-03-01"), 15, day("2012-03-16"), 3)
    await log.follow(topics.CONTRACTS)
    renewed = job.run(FIRST.replace("2012-03-01", "2013-03-01"), *ROWS[1:])
    assert renewed.returncode == 0, renewed.stderr
    assert (await contracts_in(pool))[0] == ("K-1", day("2013-03-01"), 15, day("2013-03-16"), 4)
    (told,) = await changes(log)
    assert (told.contract_id, told.ends_on, told.version) == ("K-1", day("2013-03-16"), 4)
    assert [a.product for a in told.complimentary] == ["business-mail"]


async def test_the_same_file_after_an_extension_takes_nothing_back(
    job: Job, workbench: Workbench, pool: Pool, log: Log
) -> None:
    job.run(*ROWS)
    await take(workbench, read(granted([event(extension())])))
    await log.follow(topics.CONTRACTS)
    job.run(*ROWS)
    assert (await contracts_in(pool))[0] == ("K-1", day("2012-03-01"), 15, day("2012-03-16"), 2)
    assert await changes(log) == []


BAD: dict[str, tuple[list[str | bytes], str, str]] = {
    "a missing column": ([HEADER.replace("site,", ""), FIRST], "line 1", "site"),
    "a bad date": (
        [HEADER, *ROWS, FIRST.replace("K-1", "K-9").replace("2012-03-01", "2012-02-30")],
        "line 5",
        "ends_on",
    ),
    "a duplicate id": ([HEADER, *ROWS, FIRST], "line 5", "contract_id"),
    "a wrong encoding": (
        [HEADER, FIRST, "K-9,C-9,hosting,caffè,,2010-05-01,,,,,,".encode("latin-1")],
        "line 3",
        "product",
    ),
    "bad attributes": ([HEADER, FIRST, "K-9,C-9,hosting,x,,2010-05-01,,,,,,{yes}"], "line 3", "attributes"),
    "an end before the start": ([HEADER, "K-9,C-9,hosting,x,,2010-05-01,2009-05-01,,,,,"], "line 2", "ends_on"),
}


@pytest.mark.parametrize(("lines", "line", "column"), BAD.values(), ids=BAD)
async def test_a_bad_file_is_named_by_line_and_column_and_changes_nothing(
    job: Job, pool: Pool, log: Log, lines: list[str | bytes], line: str, column: str
) -> None:
    done = job.run(*lines[1:], header=str(lines[0]))
    assert done.returncode == 1
    assert f"contracts.csv {line}" in done.stderr
    assert column in done.stderr
    assert "Traceback" not in done.stderr
    assert await contracts_in(pool) == []
    assert await written(pool) == {}
    assert await log.since(topics.CONTRACTS) == []


async def test_one_bad_line_behind_thousands_of_good_ones_leaves_the_contracts_as_they_were(
    job: Job, pool: Pool, log: Log
) -> None:
    job.run(*ROWS)
    before = await contracts_in(pool)
    await log.follow(topics.CONTRACTS)
    many = [FIRST.replace("K-1", f"L-{n}") for n in range(9_000)]
    done = job.run(FIRST.replace("2012-03-01", "2013-03-01"), *many, FIRST.replace("K-1", "K-9").replace("49.90", "x"))
    assert (done.returncode, "line 9003, column monthly_fee" in done.stderr) == (1, True)
    assert await contracts_in(pool) == before
    assert await changes(log) == []


async def test_more_contracts_than_fit_one_batch_are_each_published_once(job: Job, pool: Pool, log: Log) -> None:
    done = job.run(*[FIRST.replace("K-1", f"L-{n:05}") for n in range(12_001)])
    assert done.returncode == 0, done.stderr
    assert [c.contract_id for c in await changes(log)] == [f"L-{n:05}" for n in range(12_001)]


async def test_a_file_that_is_not_there_is_named(job: Job) -> None:
    done = job.run_with(["no-such-file.csv"])
    assert done.returncode == 1
    assert "no-such-file.csv" in done.stderr
    assert "Traceback" not in done.stderr


async def test_no_file_is_wrong_usage(job: Job) -> None:
    assert job.run_with([]).returncode == 2


@pytest.mark.parametrize("secret", [None, "00" * 31])
async def test_without_a_voucher_secret_nothing_starts(job: Job, pool: Pool, secret: str | None) -> None:
    done = job.run(*ROWS, AMENDS_VOUCHER_SECRET=secret)
    assert done.returncode == 2
    assert "AMENDS_VOUCHER_SECRET" in done.stderr
    assert secret is None or secret not in done.stderr
    assert await contracts_in(pool) == []


async def test_what_the_broker_did_not_take_is_published_by_the_next_import(job: Job, pool: Pool, log: Log) -> None:
    away = job.run(*ROWS, AMENDS_KAFKA="127.0.0.1:1", AMENDS_DELIVERY_SECONDS="1")
    assert away.returncode == 1
    assert len(await contracts_in(pool)) == 3
    assert await changes(log) == []
    assert job.run(*ROWS).returncode == 0
    assert [(c.contract_id, c.version) for c in await changes(log)] == [("K-1", 1), ("K-2", 1), ("K-3", 1)]


async def test_an_extended_contract_cannot_lose_its_end(job: Job, workbench: Workbench, pool: Pool) -> None:
    job.run(*ROWS)
    await take(workbench, read(granted([event(extension())])))
    before = await contracts_in(pool)
    done = job.run(FIRST.replace("2012-03-01", ""), *ROWS[1:])
    assert done.returncode == 1
    assert "K-1" in done.stderr
    assert "Traceback" not in done.stderr
    assert await contracts_in(pool) == before


# ── by a map ───────────────────────────────────────────────────────────────────────────────────────────────────

EXAMPLES = Path(__file__).parents[3] / "schemas" / "mapping" / "examples"
EXPORT, MAP, MADE = (EXAMPLES / name for name in ("export.csv", "contracts.yaml", "contracts.csv"))


def by_map(job: Job, file: Path, mapped_by: Path = MAP) -> subprocess.CompletedProcess[str]:
    return job.run_with([str(file), "--map", str(mapped_by)])


async def test_a_providers_export_is_imported_by_its_map(job: Job, log: Log) -> None:
    done = by_map(job, EXPORT)
    assert done.returncode == 0, done.stderr
    told = {contract.contract_id: contract for contract in await changes(log)}
    made = {contract.contract_id: contract for contract in read_contracts(MADE)}
    assert told == {name: contract.model_copy(update={"version": 1}) for name, contract in made.items()}
    said = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert {"phase": "mapped", "rows": 6} in said
    assert said[-1] == {"phase": "published", "rows": len(made)}


async def test_an_export_and_the_contracts_that_it_stands_for_are_the_same_import(
    job: Job, pool: Pool, log: Log
) -> None:
    by_map(job, EXPORT)
    before, said = await contracts_in(pool), await written(pool)
    for again in (by_map(job, EXPORT), job.run_with([str(MADE)])):
        assert again.returncode == 0, again.stderr
        assert orjson.loads(again.stdout.splitlines()[-1]) == {"phase": "published", "rows": 0}
    assert (await contracts_in(pool), await written(pool)) == (before, said)


async def test_one_bad_row_of_an_export_is_named_and_nothing_is_imported(
    job: Job, pool: Pool, log: Log, tmp_path: Path
) -> None:
    lines = EXPORT.read_bytes().replace(b"24 mesi", b"due anni").replace(b"Milano", b"Mailand")
    file = tmp_path / "export.csv"
    file.write_bytes(lines)
    done = by_map(job, file)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        'export.csv line 3, column Durata: "due anni" is no whole number of months: write one such as 12',
        'export.csv line 6, column Sede: "Mailand" is not translated by the map: is it Milano? '
        "If not, add it there, or say what it is otherwise",
    ]
    assert (await contracts_in(pool), await written(pool), await changes(log)) == ([], {}, [])


async def test_a_bad_map_is_told_before_anything_is_read(job: Job, pool: Pool, tmp_path: Path) -> None:
    bad = tmp_path / "map.yaml"
    bad.write_text(MAP.read_text(encoding="utf-8").replace("family: pec", "familie: pec"), encoding="utf-8")
    done = by_map(job, EXPORT, bad)
    assert done.returncode == 1
    assert "map.yaml: contracts[2].familie: is no field here: did you mean family?" in done.stderr
    missing = by_map(job, EXPORT, tmp_path / "none.yaml")
    assert (missing.returncode, "none.yaml" in missing.stderr) == (1, True)
    assert "Traceback" not in done.stderr + missing.stderr
    assert job.run_with([str(EXPORT), "--map"]).returncode == 2
    assert await contracts_in(pool) == []
