"""What the commands import, in small packages and in this one."""

import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from release_tools import LIMIT_S

import ssiuml
from ssiuml.release import ReleaseError
from ssiuml.release.closure import closure_of

PACKAGE = Path(ssiuml.__file__).parent
PROJECT = PACKAGE.parent
BROUGHT_ALONG = {"sh", "tqdm", "filelock"}
SCRIPTS: Mapping[str, str] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]


def _package(folder: Path, **files: str) -> Path:
    """Make the package `made`; a double underscore in a name stands for a folder."""
    package = folder / "made"
    for name, text in {"__init__": "", **files}.items():
        path = package / f"{name if name == '__init__' else name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent != package:
            (path.parent / "__init__.py").touch()
        path.write_text(text)
    return package


def _found(package: Path, *roots: str) -> tuple[set[str], dict[str, set[str]]]:
    closure = closure_of(roots, package)
    return set(closure.files), closure.foreign


@pytest.mark.parametrize(
    "text",
    [
        "import made.b",
        "import made.b as x",
        "from made import b",
        "from made import b as x, __doc__",
        "from made.b import anything",
        "from made.b import *",
        "def late():\n    from made import b",
        "class X:\n    import made.b",
        "try:\n    import made.b\nexcept ImportError:\n    pass",
        "if True:\n    import made.b",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import made.b",
        "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    import made.b",
    ],
)
def test_an_import_of_any_form_is_followed(tmp_path: Path, text: str) -> None:
    files, _ = _found(_package(tmp_path, a=text, b="import json", c=""), "made.a")
    assert files == {"made", "made.a", "made.b"}


@pytest.mark.parametrize(
    "text",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import made.b, foreign",
        "import typing\nif typing.TYPE_CHECKING:\n    import made.b, foreign",
        "import typing\ndef f():\n    if typing.TYPE_CHECKING:\n        import made.b, foreign",
        "'import made.b'  # import made.b",
    ],
)
def test_what_never_runs_is_left_out(tmp_path: Path, text: str) -> None:
    assert _found(_package(tmp_path, a=text, b=""), "made.a") == ({"made", "made.a"}, {})


def test_packages_above_and_circles_are_followed(tmp_path: Path) -> None:
    package = _package(tmp_path, a="import made.sub.x", sub__x="import made.a", sub__y="")
    (package / "sub" / "__init__.py").write_text("import made.top")
    (package / "top.py").touch()
    files, _ = _found(package, "made.a")
    assert files == {"made", "made.a", "made.sub", "made.sub.x", "made.top"}


def test_foreign_packages_are_named_with_who_imports_them(tmp_path: Path) -> None:
    package = _package(
        tmp_path, a="import made.b, foreign.deep.er, os.path", b="from foreign import x\nimport z"
    )
    _, foreign = _found(package, "made.a")
    assert foreign == {"foreign": {"made.a", "made.b"}, "z": {"made.b"}}


@pytest.mark.parametrize("text", ["from . import b", "from .b import x", "def f():\n    from .. import b"])
def test_a_relative_import_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    line = len(text.splitlines())
    with pytest.raises(ReleaseError, match=rf"a\.py:{line}: made\.a imports relatively"):
        _found(_package(tmp_path, a=text, b=""), "made.a")


def test_a_module_that_is_missing_is_named_with_who_imports_it(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"^made\.a: imports made\.gone"):
        _found(_package(tmp_path, a="def f():\n    import made.gone"), "made.a")
    with pytest.raises(ReleaseError, match=r"^the commands: imports made\.none"):
        _found(_package(tmp_path), "made.none")


@pytest.mark.parametrize("command", SCRIPTS)
def test_each_command_needs_nothing_that_is_not_brought_along(command: str) -> None:
    foreign = closure_of([SCRIPTS[command].partition(":")[0]], PACKAGE).foreign
    assert set(foreign) <= BROUGHT_ALONG | {"PIL"}
    assert foreign.get("PIL", set()) <= {"ssiuml.picture.png"}


# What Python imports, once it runs, says whether the sources were read rightly.
_LOADED = """
import importlib, pathlib, sys
for name in sys.argv[2:]:
    importlib.import_module(name)
top = sys.argv[1]
print(*sorted(name for name in sys.modules if name.partition('.')[0] == top), sep='\\n')
"""


def test_what_python_imports_in_the_end_is_in_the_closure() -> None:
    roots = [entry.partition(":")[0] for entry in SCRIPTS.values()]
    process = subprocess.run(
        [sys.executable, "-c", _LOADED, "ssiuml", *roots],
        capture_output=True, text=True, check=True, timeout=LIMIT_S, cwd=PROJECT,
    )  # fmt: skip
    loaded = set(process.stdout.split())
    assert len(loaded) > len(roots)
    assert loaded <= set(closure_of(roots, PACKAGE).files)
