"""The source files of this package that make a result, and a digest of them.

The result of a step is valid only as long as the code that made it is the same. That code is found by
following imports from the modules that do the work, so nobody has to keep a list of modules.
"""

import functools
import sys
from pathlib import Path
from typing import Final

import grimp

from ssiuml.host.digests import digest_of, file_sha256

PACKAGE: Final = __name__.partition(".")[0]


@functools.cache
def import_graph() -> grimp.ImportGraph:
    """Return the imports of the whole package, with those inside functions.

    Imports for type checkers are left out, since they do not run. A foreign package is one node.
    """
    _digests()  # now, while the files are those that Python runs: the user may edit them during the build
    # Without cache_dir=None, grimp leaves a folder in the working directory. Reading all imports takes 50 ms.
    return grimp.build_graph(
        PACKAGE, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )


def imported_by(*modules: str) -> set[str]:
    """Return the modules of this package that *modules* import, directly or not.

    *modules* themselves and the packages above are among them. Modules outside this package are ignored.
    Raise ValueError if a module of this package does not exist.
    """
    graph = import_graph()
    found: set[str] = set()
    todo = [name for name in modules if _is_ours(name)]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        if name not in graph.modules:
            raise ValueError(f"{name}: there is no such module in {_folder().parent}")
        found.add(name)
        above, _, _ = name.rpartition(".")
        todo.extend([above] if above else [])
        todo.extend(each for each in graph.find_modules_directly_imported_by(name) if _is_ours(each))
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
    return digest_of([_digests()[str(_source_file(name).relative_to(_folder().parent))] for name in modules])


def foreign_packages(*modules: str) -> dict[str, set[str]]:
    """Return the foreign packages that *modules* import, directly or not, each with the modules importing it.

    The standard library is left out.
    """
    graph, found = import_graph(), dict[str, set[str]]()
    for importer in imported_by(*modules):
        for name in graph.find_modules_directly_imported_by(importer):
            if not _is_ours(name) and name not in sys.stdlib_module_names:
                found.setdefault(name, set()).add(importer)
    return found


def _source_file(module: str) -> Path:
    path = _folder().parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@functools.cache
def _files(modules: tuple[str, ...]) -> list[str]:
    """Return the paths of ``code_of``, sorted."""
    found = {_source_file(name) for name in imported_by(*modules)}
    for path in [path for path in found if path.name == "__init__.py"]:
        found |= {each for each in path.parent.iterdir() if _is_data(each)}
    return sorted(str(path.relative_to(_folder().parent)) for path in found)


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
    files = [path for path in _folder().rglob("*") if path.suffix == ".py" or _is_data(path)]
    return {str(path.relative_to(root)): file_sha256(path) for path in files}
