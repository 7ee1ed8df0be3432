"""The jobs for whoever writes a policy: what they say, where they say it, and how they end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.entitlements import policy_jobs
from services.entitlements.policy import SHIPPED, load_policies
from services.entitlements.policy_schema import render
from tests.unit.entitlements.builders import ARUBA, ARUBA_TEXT, aruba
from tests.unit.entitlements.test_policy_examples import INCIDENT, TRUE, kept


def done(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], list[str]]:
    """A job's exit code, and the lines of stdout and stderr."""
    name, *rest = arguments
    code = policy_jobs.JOBS[name](rest)
    told = capsys.readouterr()
    return code, told.out.splitlines(), told.err.splitlines()


def test_a_right_policy_is_named_with_its_digest(capsys: pytest.CaptureFixture[str]) -> None:
    title = "Black-out of the Arezzo data centre, 29 April 2011"
    line = f"{ARUBA}: {title} (3 rules, digest {aruba().digest})"
    assert done(capsys, "policy-check", str(SHIPPED / f"{ARUBA}.yaml")) == (0, [line], [])


def test_every_file_is_checked_though_one_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / f"{ARUBA}.yaml").write_text(ARUBA_TEXT.replace("days: 15", "days: 0").replace('"5.00"', "5.0"))
    code, out, err = done(
        capsys, "policy-check", str(tmp_path / f"{ARUBA}.yaml"), "nowhere@1.yaml", str(SHIPPED / "sla-credit@1.yaml")
    )
    assert code == 1
    assert [line.split(":")[0] for line in out] == ["sla-credit@1"]
    assert [line.split(": ")[:2] for line in err] == [
        [f"{ARUBA}.yaml", "rules[1].give.extension.days"],
        [f"{ARUBA}.yaml", "rules[2].give.voucher.amount.amount"],
        ["nowhere@1.yaml", "cannot be read (No such file or directory)"],
    ]


def test_the_examples_of_what_ships_are_tried_unless_another_place_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = done(capsys, "policy-test")
    assert (code, err) == (0, [])
    assert {line.split(": ")[0] for line in out} == set(load_policies())
    assert all(line.endswith(": holds") for line in out)


@pytest.mark.parametrize("of", ["file", "folder"])
def test_an_example_that_does_not_hold_is_told_and_ends_with_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, of: str
) -> None:
    file = kept(tmp_path, INCIDENT + TRUE.replace("extension: 1,", "extension: 2,"))
    code, out, err = done(capsys, "policy-test", str(file if of == "file" else tmp_path))
    assert (code, out) == (1, ["draft@1: Three hours begun: does not hold"])
    assert err[0].startswith("draft@1: Three hours begun: revision 2: does not get {rule: days, contract: S1, ")


def test_a_policy_that_nobody_has_tried_ends_with_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / f"{ARUBA}.yaml").write_text(ARUBA_TEXT)
    told = [f"{ARUBA}.yaml: has no examples: write some in examples/{ARUBA}.yaml"]
    assert done(capsys, "policy-test", str(tmp_path)) == (1, [], told)


def test_examples_of_no_policy_end_with_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    kept(tmp_path, INCIDENT + TRUE)
    (tmp_path / "examples" / "draft@2.yaml").write_text("lost")
    told = ["examples/draft@2.yaml: there is no policy draft@2 beside them"]
    assert done(capsys, "policy-test", str(tmp_path)) == (1, [], told)


def test_a_folder_without_policies_ends_with_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = done(capsys, "policy-test", str(tmp_path))
    assert (code, out) == (1, [])
    assert "holds no policy" in err[0]


def test_the_schema_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert policy_jobs.JOBS["policy-schema"]([]) == 0
    assert capsys.readouterr().out == render()


@pytest.mark.parametrize("arguments", [["policy-check"], ["policy-test", "a", "b"], ["policy-schema", "x"]])
def test_a_job_that_is_called_wrongly_ends_with_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    code, out, err = done(capsys, *arguments)
    assert (code, out) == (2, [])
    assert err[0].startswith(f"usage: python -m services.entitlements {arguments[0]}")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["policy-check", str(SHIPPED / f"{ARUBA}.yaml")], 0, f"{ARUBA}: "),
        (["policy-check", "nowhere@1.yaml"], 1, "nowhere@1.yaml: cannot be read"),
        (["policy-chekc"], 2, "policy-check FILE... | policy-test [FOLDER|FILE] | policy-schema"),
    ],
)
def test_the_jobs_need_nothing_of_what_the_service_needs(arguments: list[str], code: int, told: str) -> None:
    command = [sys.executable, "-m", "services.entitlements", *arguments]
    job = subprocess.run(command, env={}, capture_output=True, text=True, check=False, timeout=60)
    assert (job.returncode, told in job.stdout + job.stderr) == (code, True)
