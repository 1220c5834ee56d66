"""Which modules the commands need: found in the sources, by their import statements."""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ssiuml.release import ReleaseError


@dataclass(slots=True)
class Closure:
    """The files of the package that are needed, and foreign packages by name with who imports them."""

    files: dict[str, Path] = field(default_factory=dict)  # by dotted name
    foreign: dict[str, set[str]] = field(default_factory=dict)


def closure_of(roots: Iterable[str], folder: Path) -> Closure:
    """All that the modules called *roots* import, also late, of the package that lies in *folder*.

    What is imported for type checkers alone is left out. ReleaseError for a module that is not there.
    """
    found = Closure()
    todo = [(root, "") for root in roots]
    package = folder.name
    while todo:
        name, importer = todo.pop()
        if name.partition(".")[0] != package:
            first = name.partition(".")[0]
            if first not in sys.stdlib_module_names:
                found.foreign.setdefault(first, set()).add(importer)
            continue
        if name in found.files:
            continue
        path = _file_of(name, folder)
        if path is None:
            raise ReleaseError(f"{importer or 'the commands'}: imports {name}, which is not in {folder}")
        found.files[name] = path
        if "." in name:
            todo.append((name.rpartition(".")[0], name))
        todo.extend((each, name) for each in _imports(path, name, folder))
    return found


def _file_of(name: str, folder: Path) -> Path | None:
    base = folder.parent.joinpath(*name.split("."))
    paths = (base / "__init__.py", base.with_suffix(".py"))
    return next((path for path in paths if path.is_file()), None)


def _imports(path: Path, name: str, folder: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and _is_for_checkers(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ReleaseError(f"{path}:{node.lineno}: {name} imports relatively, which is not followed")
            yield node.module
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (each for each in inner if _file_of(each, folder) is not None)


def _is_for_checkers(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
