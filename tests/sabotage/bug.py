"""What a hand-made bug is: a few words of a source file put wrong, and the tests that must notice.

Leaves the list itself to `bugs`, the trying to `run`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

_IMPORTED_FOR_ITS_QUERIES = {"runtime": "services.runtime.quarantine"}
"""The module that reads a part's `queries.sql`, where that is not its `store`."""


@dataclass(frozen=True, slots=True)
class Bug:
    """One bug: in `file` (from the project's root) the text `old`, which stands there once, becomes `new`.

    `harm` is what it would do to a customer or to the books; `caught_by` are the tests that are there against it, as
    pytest names them, without parameters. One of them must fail, in its own body.
    """

    name: str
    file: str
    old: str
    new: str
    harm: str
    caught_by: tuple[str, ...]

    @property
    def part(self) -> str:
        """The service that it is in, or `schemas`."""
        top, second, *_ = PurePosixPath(self.file).parts
        return second if top == "services" else top

    @property
    def module(self) -> str:
        """The module that has to be importable with the bug in it."""
        path = PurePosixPath(self.file)
        if path.suffix == ".sql":
            return _IMPORTED_FOR_ITS_QUERIES.get(self.part, f"services.{self.part}.store")
        return ".".join(path.with_suffix("").parts)

    def put_in(self, text: str) -> str:
        """The file's text with the bug in it. Raises ValueError unless the old text stands there exactly once."""
        found = text.count(self.old)
        if found != 1:
            raise ValueError(f"{self.file}: the text of the bug {self.name!r} stands there {found} times")
        return text.replace(self.old, self.new)
