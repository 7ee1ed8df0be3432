"""A kept story: what of it can be judged again, and what is said of a file that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.cli.errors import CommandError
from services.cli.explain import judged_part

JUDGED: dict[str, Any] = {"incident_id": "i1", "customer_id": "C1", "runs": [], "revisions": [], "policies": {}}


@pytest.mark.parametrize("kept", [{"entitlement": JUDGED, "billing": {}}, JUDGED], ids=["whole", "its judged part"])
def test_the_part_of_entitlements_is_judged_again(tmp_path: Path, kept: dict[str, Any]) -> None:
    file = tmp_path / "story.json"
    file.write_text(json.dumps(kept))
    assert judged_part(file) == JUDGED


@pytest.mark.parametrize("content", ["", "story", "[]", "{}", '{"entitlement": []}', '{"entitlement": {"runs": []}}'])
def test_what_is_no_story_is_refused_by_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(CommandError, match=r"other\.json is n.*keep what `amends explain"):
        judged_part(file)
