"""The source files of this package that make a result, and a digest of them.

The result of a step is valid only as long as the code that made it is the same. That code is found by
following imports from the modules that do the work, so nobody has to keep a list of modules.
"""

import contextlib
import functools
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ssiuml.host.digests import digest_of, file_sha256
from ssiuml.host.files import write_text

PACKAGE: Final = __name__.partition(".")[0]
_COMPILED: Final = "__pycache__"
_SAVED: Final = "imports.json"


@functools.cache
def imports() -> Mapping[str, Sequence[str]]:
    """Return which modules each module of the package imports, those inside functions too.

    Imports for type checkers are left out, since they do not run. Foreign packages are among the keys,
    without imports of their own. The result is saved where Python saves compiled modules, until a file of the
    package changes: a build that has nothing to do would spend a fifth of its time on it.
    """
    # Now, while the files are those that Python runs: the user may edit them during the build.
    digest, path = digest_of(_digests()), _folder() / _COMPILED / _SAVED
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        saved = json.loads(path.read_text(encoding="utf-8"))
        if saved["files"] == digest:
            found: dict[str, list[str]] = saved["imports"]
            return found
    found = _find_imports()
    if not sys.dont_write_bytecode:
        with contextlib.suppress(OSError):  # as for a user who may not write there
            write_text(path, json.dumps({"files": digest, "imports": found}))
    return found


def _find_imports() -> dict[str, list[str]]:
    import grimp  # late: it takes a while, and most calls do not need it

    # Without cache_dir=None, grimp leaves a folder in the working directory.
    graph = grimp.build_graph(
        PACKAGE, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )
    return {name: sorted(graph.find_modules_directly_imported_by(name)) for name in sorted(graph.modules)}


def imported_by(*modules: str) -> set[str]:
    """Return the modules of this package that *modules* import, directly or not.

    *modules* themselves and the packages above are among them. Modules outside this package are ignored.
    Raise ValueError if a module of this package does not exist.
    """
    graph = imports()
    found: set[str] = set()
    todo = [name for name in modules if _is_ours(name)]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        if name not in graph:
            raise ValueError(f"{name}: there is no such module in {_folder().parent}")
        found.add(name)
        above, _, _ = name.rpartition(".")
        todo.extend([above] if above else [])
        todo.extend(each for each in graph[name] if _is_ours(each))
    return found


def code_of(*modules: str) -> dict[str, str]:
    """Return the SHA-256 of each file that *modules* need, by path in the checkout: ``ssiuml/host/run.py``.

    These are the files of ``imported_by``, and the data files in their packages. Modules outside this package
    have no files.
    """
    return {name: _digests()[name] for name in _files(modules)}


def code_digest(*modules: str) -> str:
    """Return the hexadecimal digest of ``code_of``."""
    return digest_of(code_of(*modules))


def own_digest(*modules: str) -> str:
    """Return a digest of the files of *modules* alone, without what they import.

    For the source of a kernel: after a change in a module far below it, as in ssiuml.host.run, the kernel is
    made again, but make need not compile all of it.
    """
    return digest_of([_digests()[_source_file(name)] for name in modules])


def foreign_packages(*modules: str) -> dict[str, set[str]]:
    """Return the foreign packages that *modules* import, directly or not, each with the modules importing it.

    The standard library is left out.
    """
    graph, found = imports(), dict[str, set[str]]()
    for importer in imported_by(*modules):
        for name in graph[importer]:
            if not _is_ours(name) and name not in sys.stdlib_module_names:
                found.setdefault(name, set()).add(importer)
    return found


def _source_file(module: str) -> str:
    name = module.replace(".", "/")
    return f"{name}.py" if f"{name}.py" in _digests() else f"{name}/__init__.py"


@functools.cache
def _files(modules: tuple[str, ...]) -> list[str]:
    """Return the paths of ``code_of``, sorted."""
    found = {_source_file(name) for name in imported_by(*modules)}
    folders = {os.path.dirname(name) for name in found if name.endswith("/__init__.py")}  # noqa: PTH120
    data = {name for name in _data_files() if os.path.dirname(name) in folders}  # noqa: PTH120
    return sorted(found | data)


@functools.cache
def _data_files() -> list[str]:
    return [name for name in _digests() if not name.endswith(".py")]


def _is_data(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE


def _folder() -> Path:
    return Path(__file__).parents[1]


@functools.cache
def _digests() -> dict[str, str]:
    """Return the SHA-256 of every file of the package, by path in the checkout."""
    root = _folder().parent
    folders = [Path(folder) for folder, _, _ in os.walk(_folder()) if not folder.endswith(_COMPILED)]
    files = [
        path for folder in folders for path in folder.iterdir() if path.suffix == ".py" or _is_data(path)
    ]
    return {str(path.relative_to(root)): file_sha256(path) for path in files}
