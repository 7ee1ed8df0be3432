"""The local stack: what `up` and `down` promise, on a real Kafka, a real PostgreSQL and a real mail sink.

The services are left out (`services=False`): what they do is tested elsewhere, and how any component is started, waited
for and ended is the same for all.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import smtplib
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.local import assembly
from deploy.local.components import plain_environment
from deploy.local.errors import StackError
from deploy.local.layout import DATABASES, Layout, Secrets, State, locked
from deploy.local.processes import wait_until
from deploy.local.services import SERVICES, service_environment
from deploy.local.stack import Stack, down, status, up
from schemas.topics import load_topics

SECONDS = 30.0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("stack") / ".amends"
    yield folder
    down(folder)


@pytest.fixture
def stack(root: Path) -> Stack:
    """The module's stack, with whatever an earlier test ended started again."""
    return up(root, services=False)


def everything_of(root: Path) -> list[str]:
    """Every process that has to do with a stack, found without asking the stack: by arguments, folder, environment."""
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            facts = [*process.cmdline(), process.cwd(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if process.pid != os.getpid() and any(str(root) in fact for fact in facts):
            found.append(f"{process.pid} {process.name()}")
    return found


async def ask(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


# ── up ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_stack_json_says_where_everything_is(root: Path, stack: Stack) -> None:
    found = json.loads((root / "stack.json").read_text())
    assert set(found) == {"kafka", "databases", "smtp", "mailbox", "http", "pids"}
    assert set(found["databases"]) == set(DATABASES)
    assert set(found["pids"]) == {"kafka", "postgres", "mail"}
    assert found["kafka"].startswith("127.0.0.1:")
    assert Stack.load(root) == stack


def test_files_with_secrets_are_for_their_owner_only(root: Path, stack: Stack) -> None:
    for name in ("stack.json", "secrets.json"):
        assert stat.S_IMODE((root / name).stat().st_mode) == 0o600


async def test_the_topics_of_the_schemas_are_there_and_others_are_not_made_by_themselves(stack: Stack) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    try:
        node = ConfigResource(ConfigResourceType.BROKER, "1", {"auto.create.topics.enable": None})
        (answer,) = await admin.describe_configs([node])
        described = await admin.describe_topics()
    finally:
        await admin.close()
    partitions = {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["is_internal"]}
    wanted = {topic.name: topic.partitions for topic in load_topics()} | {topic.dlq: 1 for topic in load_topics()}
    assert partitions == wanted
    ((_, _, _, _, settings),) = answer.resources
    assert [setting[:2] for setting in settings] == [("auto.create.topics.enable", "false")]


async def test_a_role_reaches_its_own_database_and_no_other(stack: Stack) -> None:
    for own in DATABASES:
        assert await ask(stack.databases[own], "SELECT current_database()") == own
        for other in {*DATABASES, "postgres", "template1"} - {own}:
            dsn = stack.databases[own].rpartition("/")[0] + f"/{other}"
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
                await ask(dsn, "SELECT 1")


async def test_a_role_is_no_administrator_and_owns_its_database(stack: Stack) -> None:
    for dsn in stack.databases.values():
        assert await ask(dsn, "SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles "
                              "WHERE rolname = current_user") is False  # fmt: skip
        await ask(dsn, "CREATE TABLE trial ()")
        await ask(dsn, "DROP TABLE trial")


async def test_a_wrong_password_is_refused(stack: Stack) -> None:
    address = stack.databases["billing"].rpartition("@")[2]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(f"postgresql://billing:wrong@{address}", "SELECT 1")


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
async def test_what_postgresql_commits_is_on_the_disk(stack: Stack, setting: str) -> None:
    assert await ask(stack.databases["billing"], f"SELECT current_setting('{setting}')") == "on"


def test_everything_listens_on_this_machine_only(stack: Stack) -> None:
    for pid in stack.pids.values():
        heard = [c.laddr.ip for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert heard
        assert {address.removeprefix("::ffff:") for address in heard} == {"127.0.0.1"}


def test_a_mail_to_the_sink_is_in_the_mailbox(stack: Stack) -> None:
    host, port = stack.smtp.split(":")
    with smtplib.SMTP(host, int(port), timeout=SECONDS) as client:
        client.sendmail("a@amends.example", "b@amends.example", "Subject: seen\n\ntext\n")
    assert b"Subject: seen" in stack.mailbox.read_bytes()


def test_a_second_up_starts_nothing(root: Path, stack: Stack) -> None:
    steps: list[str] = []
    assert up(root, services=False, on_step=steps.append) == stack
    assert steps == []


@pytest.mark.parametrize("name", ["kafka", "postgres", "mail"])
def test_up_after_a_kill_starts_what_is_missing_at_the_same_address(root: Path, stack: Stack, name: str) -> None:
    os.kill(stack.pids[name], signal.SIGKILL)
    assert wait_until(lambda: not stack.is_running(name), SECONDS)
    again = up(root, services=False)
    assert {key for key in stack.pids if stack.pids[key] != again.pids[key]} == {name}
    assert replace(again, pids=stack.pids) == stack
    assert all(component.running for component in status(root))


def test_kill_and_restart_of_one_component(stack: Stack) -> None:
    stack.kill("mail")
    assert not stack.is_running("mail")
    with pytest.raises(StackError, match="mail does not run"):
        stack.kill("mail")
    first = stack.start("mail")
    second = first.restart("mail")
    assert len({stack.pids["mail"], first.pids["mail"], second.pids["mail"]}) == 3
    assert second.smtp == stack.smtp
    assert second.is_running("mail")


async def test_data_outlives_down_and_not_fresh(root: Path, stack: Stack) -> None:
    await ask(stack.databases["billing"], "CREATE TABLE kept ()")
    secrets = (root / "secrets.json").read_text()
    await asyncio.to_thread(down, root)
    again = await asyncio.to_thread(up, root, services=False)
    assert (again.databases, again.kafka, again.smtp) == (stack.databases, stack.kafka, stack.smtp)
    assert await ask(again.databases["billing"], "SELECT to_regclass('kept')::text") == "kept"
    fresh = await asyncio.to_thread(up, root, services=False, fresh=True)
    assert await ask(fresh.databases["billing"], "SELECT to_regclass('kept')::text") is None
    assert (root / "secrets.json").read_text() != secrets
    assert fresh.mailbox.read_bytes() == b""


def test_two_ups_at_once_make_one_stack(root: Path, stack: Stack) -> None:
    stack.kill("mail")
    made: list[Stack] = []
    threads = [threading.Thread(target=lambda: made.append(up(root, services=False)), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert len(made) == 2
    assert made[0] == made[1]


def test_up_waits_for_whoever_holds_the_stack(root: Path, stack: Stack) -> None:
    done = threading.Event()

    def start() -> None:
        up(root, services=False)
        done.set()

    waiting = threading.Thread(target=start, daemon=True)
    with locked(Layout.at(root)):
        waiting.start()
        assert not done.wait(0.5)
    assert done.wait(SECONDS)


# ── down ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("gone", [(), ("postgres",), ("kafka", "mail"), ("kafka", "postgres", "mail")])
def test_down_leaves_no_process_however_much_is_gone(root: Path, stack: Stack, gone: tuple[str, ...]) -> None:
    assert len(everything_of(root)) > 3
    for name in gone:
        os.kill(stack.pids[name], signal.SIGKILL)
    down(root)
    assert everything_of(root) == []
    assert not any(component.running for component in status(root))
    with pytest.raises(StackError, match="no stack is up"):
        Stack.load(root)
    down(root)


def test_down_ends_what_a_lost_program_left_behind(root: Path, stack: Stack) -> None:
    script = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])"
    environment = plain_environment(Layout.at(root))
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=SECONDS)
    down(root)
    assert everything_of(root) == []


def test_down_of_a_stack_that_never_was_is_no_error(tmp_path: Path) -> None:
    down(tmp_path / "nothing")
    assert status(tmp_path / "nothing") == []


def test_an_interrupted_up_leaves_what_ran_before(root: Path, stack: Stack) -> None:
    stack.kill("mail")
    stack.kill("postgres")

    def interrupt(step: str) -> None:
        if step == "starting mail":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        up(root, services=False, on_step=interrupt)
    assert {name for name in stack.pids if stack.is_running(name)} == {"kafka"}


# ── services ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_service_gets_its_own_database_and_its_own_secrets_only(root: Path, stack: Stack) -> None:
    layout = Layout.at(root)
    state = State.load(layout)
    assembly.choose_ports(state, assembly.wanted_workers(state))
    secrets = Secrets.load_or_make(layout)
    found = {name: service_environment(layout, state, secrets, name) for name in SERVICES}
    assert {name for name in SERVICES if "AMENDS_VOUCHER_SECRET" in found[name]} == {"billing"}
    assert {name for name in SERVICES if "AMENDS_SMTP" in found[name]} == {"notifications"}
    for name, environment in found.items():
        assert environment["AMENDS_DATABASE"] == stack.databases[name]
        assert environment["AMENDS_KAFKA"] == stack.kafka
        for other in set(SERVICES) - {name}:
            assert secrets.passwords[other] not in " ".join(environment.values())
    assert len(bytes.fromhex(found["billing"]["AMENDS_VOUCHER_SECRET"])) >= 32
