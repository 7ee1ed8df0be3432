"""Where a service can be struck: every `await`, every block that is entered or left asynchronously, every write of the
mail path, found in the source and rewritten so that it passes a named point on either side.

A boundary is named after where it stands: `runtime.work:Workbench.run#3` is the third in that function, in the order of
the text. No service code is touched: the rewritten modules exist in a test's process alone. Leaves to `points` what
happens at a point.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, MappingProxyType

from deploy.local.layout import PROJECT

PACKAGES = ("services.runtime", "services.entitlements", "services.billing", "services.notifications")
PASSED = "__points__"
"""The name under which a rewritten module knows `points`."""
_STANDS_FOR_NO_WAIT = ("asyncio.timeout",)
"""Asynchronous blocks that suspend nothing and touch nothing outside."""

_WRITES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "services.notifications.journal": frozenset(
            {"os.open", "os.write", "os.ftruncate", "os.close", "fcntl.flock", "fresh.replace", "path.rename"}
        ),
        "services.notifications.smtp": frozenset(
            {"self._write", "self._marks.started", "self._marks.flush", "tell", "self._settle", "desk.settle"}
        ),
        "services.notifications.sender": frozenset({"self._journal.flush", "self._journal.forget", "Journal.read"}),
    }
)
"""In the mail path what reaches the disk or the socket is no `await`: the calls that do, by module."""

MOMENTS = MappingProxyType(
    {
        "await": ("before", "after"),
        "call": ("before", "after"),
        "next": ("before", "after"),
        "block": ("entering", "entered", "leaving", "left"),
    }
)


@dataclass(frozen=True, slots=True)
class Boundary:
    """One place; `kind` is a key of `MOMENTS`, `code` what stands there."""

    name: str
    kind: str
    code: str

    @property
    def points(self) -> list[str]:
        """The names of its points."""
        return [f"{self.name} {moment}" for moment in MOMENTS[self.kind]]


def modules() -> dict[str, Path]:
    """All modules of the services by name, whatever is in them: a new one needs nobody to think of it."""
    found: dict[str, Path] = {}
    for package in PACKAGES:
        folder = PROJECT.joinpath(*package.split("."))
        found |= {f"{package}.{file.stem}": file for file in sorted(folder.glob("*.py")) if file.stem[0] != "_"}
    return found


def boundaries() -> list[Boundary]:
    """Every boundary of the services as they are now."""
    found: list[Boundary] = []
    for name, file in modules().items():
        found += _Rewriting(name, ast.parse(file.read_text("utf-8"))).found
    return found


class Loader(SourceFileLoader):
    """Loads a module of the services rewritten; its bytecode is kept nowhere."""

    def get_code(self, fullname: str) -> CodeType:
        """The module's code with its points."""
        path = self.get_filename(fullname)
        rewriting = _Rewriting(fullname, ast.parse(self.get_data(path), path))
        return compile(rewriting.rewritten(), path, "exec", dont_inherit=True)


class Finder:
    """On `sys.meta_path`: finds the services' modules before anybody else does."""

    def __init__(self) -> None:
        self._files = modules()

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> object:
        """The specification of a module that is to be rewritten, None for any other."""
        file = self._files.get(fullname)
        if file is None:
            return None
        return importlib.util.spec_from_file_location(fullname, file, loader=Loader(fullname, str(file)))


class _Rewriting(ast.NodeTransformer):
    """Finds a module's boundaries, and rewrites them."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self._module, self._tree = module, tree
        self._writes = _WRITES.get(module, frozenset())
        self._named: dict[ast.AST, Boundary] = {}
        self._scopes: list[str] = []
        self._name(tree)

    @property
    def found(self) -> list[Boundary]:
        """The boundaries in the order of the text."""
        return list(self._named.values())

    def rewritten(self) -> ast.Module:
        """The module with its points."""
        tree = self.visit(self._tree)
        assert isinstance(tree, ast.Module)
        at = next(n for n, line in enumerate(tree.body) if not _comes_first(line))
        tree.body.insert(at, ast.Import([ast.alias("tests.faults.points", PASSED)]))
        return ast.fix_missing_locations(tree)

    # ── finding ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _name(self, scope: ast.AST) -> None:
        """Number the boundaries of a scope, then those of the scopes in it."""
        inner: list[ast.AST] = []
        here = sorted(self._boundaries(scope, inner), key=lambda found: (found[0].lineno, found[0].col_offset))
        qualified = ".".join(self._scopes) or "<module>"
        where = f"{self._module.removeprefix('services.')}:{qualified}"
        for number, (node, kind) in enumerate(here, 1):
            self._named[node] = Boundary(f"{where}#{number}", kind, ast.unparse(node))
        for one in inner:
            self._scopes.append(one.name)  # type: ignore[attr-defined]
            self._name(one)
            self._scopes.pop()

    def _boundaries(self, node: ast.AST, inner: list[ast.AST]) -> Iterator[tuple[ast.expr, str]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner.append(child)
                continue
            if isinstance(child, ast.comprehension) and child.is_async:
                raise NotImplementedError(f"{self._module}: an asynchronous comprehension has no points yet")
            if isinstance(child, ast.Await):
                yield child, "await"
            elif isinstance(child, ast.AsyncWith):
                for item in child.items:
                    if not ast.unparse(item.context_expr).startswith(_STANDS_FOR_NO_WAIT):
                        yield item.context_expr, "block"
            elif isinstance(child, ast.AsyncFor):
                yield child.iter, "next"
            elif isinstance(child, ast.Call) and ast.unparse(child.func) in self._writes:
                yield child, "call"
            yield from self._boundaries(child, inner)

    # ── rewriting ────────────────────────────────────────────────────────────────────────────────────────────────

    def visit(self, node: ast.AST) -> ast.AST:
        """A node rewritten, what is in it first."""
        boundary = self._named.get(node)
        node = super().visit(node)
        if boundary is None:
            return node
        assert isinstance(node, ast.expr)
        name = ast.Constant(boundary.name)
        if boundary.kind == "await":
            assert isinstance(node, ast.Await)
            return _at(node, ast.Await(_call("passing", name, node.value)))
        if boundary.kind == "call":  # a tuple is worked out from left to right
            either = [_call("reach", name, ast.Constant(moment)) for moment in MOMENTS["call"]]
            around = ast.Tuple([either[0], node, either[1]], ast.Load())
            return _at(node, ast.Subscript(around, ast.Constant(1), ast.Load()))
        return _at(node, _call({"block": "Block", "next": "Each"}[boundary.kind], name, node))


def _call(function: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(ast.Name(PASSED, ast.Load()), function, ast.Load()), list(arguments), [])


def _at(old: ast.expr, new: ast.expr) -> ast.expr:
    return ast.copy_location(new, old)


def _comes_first(line: ast.stmt) -> bool:
    """A docstring, or what is imported from the future."""
    return isinstance(line, ast.Expr) or (isinstance(line, ast.ImportFrom) and line.module == "__future__")
