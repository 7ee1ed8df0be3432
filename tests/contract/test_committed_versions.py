"""The models as they are now, against every version of their schemas that was ever committed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from schemas.compatibility import breaks
from schemas.events import EVENTS
from schemas.json_schemas import json_schema

ROOT = Path(__file__).parents[2]


def git(root: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A Test", "-c", "user.email=test@amends.example"]
    run = subprocess.run(
        ["git", "-C", str(root), *who, *arguments], capture_output=True, check=False, text=True, timeout=60
    )
    assert run.returncode == 0, f"git {' '.join(arguments)}: {run.stderr}"
    return run.stdout


def committed(root: Path) -> dict[str, dict[str, str]]:
    """By event type, every text that its schema had in any commit, with the commit's id.

    The whole history as far as this clone has it; a shallow one has HEAD at least.
    """
    versions: dict[str, dict[str, str]] = {}
    texts: dict[str, str] = {}
    commit = ""
    log = ["log", "--full-history", "-m", "--no-renames", "--raw", "--no-abbrev", "--format=%H", "HEAD"]
    for line in git(root, *log, "--", "schemas/json/*.json").splitlines():
        if line and not line.startswith(":"):
            commit = line
        elif line:
            # :OLD_MODE NEW_MODE OLD_BLOB NEW_BLOB STATUS<tab>PATH
            change, path = line.split("\t")
            blob = change.split()[3]
            if blob.strip("0"):  # all zeros: the file was deleted
                text = texts.get(blob) or texts.setdefault(blob, git(root, "cat-file", "blob", blob))
                versions.setdefault(Path(path).name.removesuffix(".json"), {}).setdefault(text, commit)
    return versions


def broken_since(versions: dict[str, dict[str, str]], now: dict[str, dict[str, Any]]) -> list[str]:
    """What in the schemas of now breaks any of the versions, with the commit that had it."""
    broken: list[str] = []
    for kind, texts in versions.items():
        if kind not in now:
            broken.append(f"{kind}: the event type was removed: old events on its topic can no longer be read")
            continue
        for text, commit in texts.items():
            broken.extend(f"{said} (as of {commit[:10]})" for said in breaks(json.loads(text), now[kind]))
    return broken


def test_no_event_breaks_any_version_that_was_committed() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("there is no git here (an unpacked archive?), so no earlier versions to compare with")
    if not git(ROOT, "for-each-ref", "--count=1"):
        pytest.skip("nothing was ever committed here, so there are no earlier versions to compare with")
    broken = broken_since(committed(ROOT), {kind: json_schema(kind) for kind in EVENTS})
    assert not broken, "\n".join(["make a new version of the type instead:", *broken])


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A repository whose one schema had three versions, one of them on a branch only until it was merged."""
    if shutil.which("git") is None:
        pytest.skip("there is no git on this machine")
    root = tmp_path / "history"
    file = root / "schemas" / "json" / "letter.settled.v1.json"
    file.parent.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")

    def commit(maximum: int) -> None:
        schema = {
            "$id": "urn:amends:schema:letter.settled.v1",
            "type": "object",
            "properties": {"a": {"type": "integer", "maximum": maximum}},
        }
        file.write_text(json.dumps(schema), encoding="utf-8")
        git(root, "add", "-A")
        git(root, "commit", "-q", "--no-gpg-sign", "-m", f"maximum {maximum}")

    commit(5)
    git(root, "checkout", "-q", "-b", "branch")
    commit(6)
    git(root, "checkout", "-q", "main")
    git(root, "merge", "-q", "--no-ff", "--no-gpg-sign", "-m", "merge", "branch")
    commit(7)
    git(root, "rm", "-q", "-r", "schemas")
    git(root, "commit", "-q", "--no-gpg-sign", "-m", "removed")
    return root


def test_every_committed_version_is_compared(history: Path) -> None:
    versions = committed(history)
    maxima = [json.loads(text)["properties"]["a"]["maximum"] for text in versions["letter.settled.v1"]]
    assert sorted(maxima) == [5, 6, 7]
    now = json.loads(next(iter(versions["letter.settled.v1"])))
    now["properties"]["a"]["maximum"] = 6
    said = broken_since(versions, {"letter.settled.v1": now})
    assert len(said) == 1
    assert "field a was narrowed: maximum 7 became 6" in said[0]


def test_a_removed_event_type_is_a_break(history: Path) -> None:
    assert broken_since(committed(history), {}) == [
        "letter.settled.v1: the event type was removed: old events on its topic can no longer be read"
    ]


def test_a_shallow_clone_still_has_the_last_version(history: Path, tmp_path: Path) -> None:
    git(history, "revert", "--no-edit", "--no-gpg-sign", "HEAD")
    git(tmp_path, "clone", "-q", "--depth", "1", history.as_uri(), "shallow")
    assert [len(texts) for texts in committed(tmp_path / "shallow").values()] == [1]
