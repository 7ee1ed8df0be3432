"""Settings: what is missing or wrong is named as the variable that a person must set, and ends the process with 2."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from services.runtime.settings import RuntimeSettings, load

SET = {
    "AMENDS_KAFKA": "127.0.0.1:9092",
    "AMENDS_DATABASE": "postgresql://billing:hunter2-hunter2@127.0.0.1/billing",
    "AMENDS_HTTP": "127.0.0.1:8080",
    "AMENDS_OPERATOR_TOKEN": "sixteen-letters!",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Only what is set here."""
    for name in [*SET, "AMENDS_WORKER", "AMENDS_LOG_LEVEL"]:
        monkeypatch.delenv(name, raising=False)
    for name, value in SET.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_settings_come_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AMENDS_BATCH_RECORDS", "17")
    settings = load(RuntimeSettings)
    assert (settings.kafka, settings.batch_records) == ("127.0.0.1:9092", 17)


def test_secrets_do_not_show(environment: pytest.MonkeyPatch) -> None:
    shown = repr(load(RuntimeSettings))
    assert "hunter2" not in shown
    assert "sixteen" not in shown


@pytest.mark.parametrize("name", sorted(SET))
def test_a_missing_variable_is_named_and_has_no_default(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    environment.delenv(name)
    with pytest.raises(SystemExit) as ended:
        load(RuntimeSettings)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"{name}: is not set\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"AMENDS_KAFKA": "127.0.0.1"}, "AMENDS_KAFKA: "),
        ({"AMENDS_KAFKA": ":9092"}, "AMENDS_KAFKA: "),
        ({"AMENDS_KAFKA": "broker:"}, "AMENDS_KAFKA: "),
        ({"AMENDS_KAFKA": "broker:http"}, "AMENDS_KAFKA: "),
        ({"AMENDS_KAFKA": "broker:70000"}, "AMENDS_KAFKA: "),
        ({"AMENDS_HTTP": "8080"}, "AMENDS_HTTP: "),
        ({"AMENDS_OPERATOR_TOKEN": "short"}, "AMENDS_OPERATOR_TOKEN: "),
        ({"AMENDS_WORKER": "No 1"}, "AMENDS_WORKER: "),
        ({"AMENDS_LOG_LEVEL": "loud"}, "AMENDS_LOG_LEVEL: "),
        ({"AMENDS_BATCH_RECORDS": "0"}, "AMENDS_BATCH_RECORDS: "),
        ({"AMENDS_BATCH_RECORDS": "many"}, "AMENDS_BATCH_RECORDS: "),
        ({"AMENDS_PATIENCE_SECONDS": "-1"}, "AMENDS_PATIENCE_SECONDS: "),
        ({"AMENDS_QUARANTINE_SHARE": "1.5"}, "AMENDS_QUARANTINE_SHARE: "),
    ],
)
def test_a_wrong_variable_is_named(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: Mapping[str, str], said: str
) -> None:
    for name, value in change.items():
        environment.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        load(RuntimeSettings)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(said)


def test_a_bad_address_is_told_what_would_be_right(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("AMENDS_KAFKA", "broker")
    with pytest.raises(SystemExit):
        load(RuntimeSettings)
    assert "write host:port" in capsys.readouterr().err


def test_a_secret_that_is_refused_is_not_repeated(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("AMENDS_OPERATOR_TOKEN", "tooshort")
    with pytest.raises(SystemExit):
        load(RuntimeSettings)
    assert "tooshort" not in capsys.readouterr().err


def test_everything_that_is_wrong_is_said_at_once(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("AMENDS_DATABASE")
    environment.setenv("AMENDS_HTTP", "nowhere")
    with pytest.raises(SystemExit):
        load(RuntimeSettings)
    assert {line.split(":")[0] for line in capsys.readouterr().err.splitlines()} == {"AMENDS_DATABASE", "AMENDS_HTTP"}
